"""The reference pages, written from what the code declares.

python -m collective.recipe.productionstack.reference [--check] [FOLDER]
"""
