"""Parameters that trackers hang on addresses: neither the key nor Plone needs them.

A script in the browser reads them. ``*`` at the end stands for more letters.
"""

from __future__ import annotations

NAMES = (
    # Google
    *("utm_*", "gclid", "gclsrc", "gbraid", "wbraid", "dclid", "srsltid", "_ga", "_gl"),
    *("gad_source", "gad_campaignid", "gad", "gs_l"),
    # Meta, Microsoft, TikTok, X, LinkedIn, Pinterest, Yandex, Snapchat, Reddit, Quora
    *("fbclid", "fb_action_ids", "fb_action_types", "fb_source", "igsh", "igshid"),
    *("msclkid", "ttclid", "twclid", "li_fat_id", "epik", "yclid", "_openstat"),
    *("ScCid", "rdt_cid", "qclid"),
    # Mail and marketing: Mailchimp, HubSpot, Marketo, Vero, Adobe, Klaviyo, Wicked
    *("mc_cid", "mc_eid", "_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", "hsa_*"),
    *("hsCtaTracking", "mkt_tok", "vero_id", "vero_conv", "s_kwcid", "ef_id", "_kx"),
    *(
        "wickedid",
        "wickedsource",
        "oly_anon_id",
        "oly_enc_id",
        "rb_clickid",
        "irclickid",
    ),
    # Matomo
    *("pk_*", "mtm_*", "matomo_*", "piwik_*"),
)


def pattern() -> str:
    """Return a regular expression for any of the names."""
    return "|".join(
        name.removesuffix("*") + "[A-Za-z0-9_]*" if name.endswith("*") else name
        for name in NAMES
    )
