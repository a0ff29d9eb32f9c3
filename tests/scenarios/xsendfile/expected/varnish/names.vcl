# Written by collective.recipe.productionstack for [stack]; see default.vcl.
# What is asked for, by the names that Plone and the cache have for it.
#
# Regular expressions here never search back and forth: on long addresses Varnish
# would give up on them, and on the request.
#
# From the virtual-host address: X-PS-Base (scheme, host and folder that links are
# made with), X-PS-Root (the site in the ZODB) and X-PS-Path (what is asked for). Plone
# purges without ports, with other slashes and with ++api++ elsewhere: all that is
# made equal here.
sub ps_address {
    set req.http.X-PS-Path = regsub(req.url, "[?].*$", "");
    if (req.http.X-PS-Path ~ "^/VirtualHostBase/[^/]+/[^/]+(?:/.*?)?/VirtualHostRoot(?:/|$)") {
        set req.http.X-PS-Base = std.tolower(regsub(
            req.http.X-PS-Path,
            "(?i)^/VirtualHostBase/(?:(http/[^/]+?):80|(https/[^/]+?):443|([^/]+/[^/]+))/.*$", "\1\2\3"));
        set req.http.X-PS-Root = regsub(
            req.http.X-PS-Path, "^/VirtualHostBase/[^/]+/[^/]+(/.*?)?/VirtualHostRoot(?:/.*)?$", "\1");
        set req.http.X-PS-Path = regsub(req.http.X-PS-Path, "^.*?/VirtualHostRoot", "");
        if (req.http.X-PS-Path ~ "^/_vh_") {
            # Folders that only links have; nginx lets none of these words in.
            set req.http.X-PS-Base = req.http.X-PS-Base
                + regsub(req.http.X-PS-Path, "^((?:/_vh_[^/]*)+).*$", "\1");
            set req.http.X-PS-Path = regsub(req.http.X-PS-Path, "^(?:/_vh_[^/]*)+", "");
        }
    } else {
        set req.http.X-PS-Base = "";
        set req.http.X-PS-Root = "";
    }
    if (req.http.X-PS-Root ~ "/\+\+api\+\+(?:/|$)") {
        set req.http.X-PS-Root = regsub(req.http.X-PS-Root, "/\+\+api\+\+(/|$)", "\1");
        set req.http.X-PS-Path = "/++api++" + req.http.X-PS-Path;
    }
    if (req.http.X-PS-Path ~ "//|%(?:24|28|29|2C|40)") {
        # Plone quotes these letters of an id in a purge, browsers and nginx do not.
        set req.http.X-PS-Path = regsuball(req.http.X-PS-Path, "//+", "/");
        set req.http.X-PS-Path = regsuball(req.http.X-PS-Path, "%24", "$");
        set req.http.X-PS-Path = regsuball(req.http.X-PS-Path, "%28", "(");
        set req.http.X-PS-Path = regsuball(req.http.X-PS-Path, "%29", ")");
        set req.http.X-PS-Path = regsuball(req.http.X-PS-Path, "%2C", ",");
        set req.http.X-PS-Path = regsuball(req.http.X-PS-Path, "%40", "@");
    }
}

# X-PS-Owner is the object whose purge must drop this address; X-PS-Id is its name
# alone, by which it is found under any path (Plone finds objects through others, and
# below names of bundles). They and the site are stored with the answer, and are words
# of a ban: no blank, quote or backslash may split them. A hit needs none.
sub ps_owner {
    set req.http.X-PS-Owner = regsub(
        regsub(req.http.X-PS-Path, "^/\+\+webresource\+\+[^/]*(/[^+])", "\1"),
        "/\+\+api\+\+(/|$)", "\1");
    set req.http.X-PS-Owner = "=" + regsuball(
        regsub(req.http.X-PS-Owner, "/@@(?:images|download|display-file)(?:/.*)?$|/(?:@@)?(?:RSS|rss\.xml|atom\.xml|itunes\.xml)$|/+$", ""),
        "[\x00-\x20\x22\x5c]", "_");
    set req.http.X-PS-Id = "=" + regsub(
        regsub(req.http.X-PS-Owner, "/(?:images|download|display-file)/[^/]+(?:/[^/]+)?$", ""),
        "^(?:[^/=]*+[/=])*+", "");
    set req.http.X-PS-Site = "=" + regsuball(req.http.X-PS-Root, "[\x00-\x20\x22\x5c]", "_");
}

sub ps_purge {
    # Who edits at a client's own port has Plone purge the path in the database.
    if (req.url ~ "^(?:/\+\+api\+\+)?/(?:Intranet|Plone)(?:/|$)") {
        set req.url = regsub(req.url, "^(/\+\+api\+\+)?(/(?:Intranet|Plone))(/.*)?$",
            "/VirtualHostBase/http/any\2/VirtualHostRoot\1\3");
    }
    call ps_address;
    call ps_owner;
    call ps_ban;
    # The view of the folder that holds it lists its title; Plone does not say so.
    if (req.http.X-PS-Root != "" && req.http.X-PS-Owner ~ "/") {
        set req.http.X-PS-Owner = regsub(req.http.X-PS-Owner, "/[^/]*$", "");
        set req.http.X-PS-Id = "=";
        call ps_ban;
    }
}

sub ps_ban {
    # The front page has no name; what could be an image's own view is meant exactly.
    if (req.http.X-PS-Id == "=") {
        set req.http.X-PS-Id = "X-PS-Owner == " + req.http.X-PS-Owner;
    } else {
        set req.http.X-PS-Id = "X-PS-Id == " + req.http.X-PS-Id;
    }
    if (req.http.X-PS-Root == "") {
        # virtual hosting is off in Plone: the site cannot be told, so all are meant.
        ban("obj.http." + req.http.X-PS-Id);
    } else {
        ban("obj.http.X-PS-Site == " + req.http.X-PS-Site
            + " && obj.http." + req.http.X-PS-Id);
    }
}
