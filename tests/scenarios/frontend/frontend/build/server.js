// What a build of Volto leaves.
