# Written by collective.recipe.productionstack for [stack]; see default.vcl.
# Pages that Node makes, for www.example.com. [stack] sites
#
# They have the names of the objects that they show, so that Plone's PURGE of one drops
# its page too. Volto says nothing of how long a page is good, and "public" of errors:
# that is decided here. Each of these runs before what default.vcl says.

sub vcl_recv {
    if (req.restarts == 0) {
        unset req.http.X-PS-Frontend;
        if (local.socket != "purge" && req.url ~ "^/\+\+frontend\+\+/VirtualHostBase/") {
            # nginx has set the mark; what visitors write stands behind it.
            set req.http.X-PS-Frontend = "yes";
            set req.url = regsub(req.url, "^/\+\+frontend\+\+", "");
        }
    }
}

sub vcl_hash {
    if (req.http.X-PS-Frontend) {
        hash_data("frontend");
        # The language that somebody has chosen; Volto looks at no other.
        hash_data(regsub(req.http.X-PS-Language, "^(=[^=]*=)?.*$", "\1"));
    }
}

sub vcl_backend_fetch {
    if (bereq.http.X-PS-Frontend) {
        set bereq.url = "/++frontend++" + bereq.url;
        if (bereq.http.X-Anonymous) {
            unset bereq.http.Accept-Language;
        }
    }
}

sub vcl_backend_response {
    unset beresp.http.X-PS-Frontend;
    if (bereq.http.X-PS-Frontend) {
        set beresp.http.X-PS-Frontend = "yes";
        if (beresp.status >= 400) {
            # Volto says "public" of errors.
            set beresp.http.Cache-Control = "no-store";
            unset beresp.http.Expires;
        } elsif (beresp.status != 200) {
            set beresp.ttl = 0s;
        } elsif (!beresp.http.Cache-Control && !bereq.http.X-Anonymous) {
            set beresp.http.Cache-Control = "max-age=0, must-revalidate, private";
        } elsif (!beresp.http.Cache-Control) {
            # A page. What it shows beside its object is purged by nobody.
            set beresp.http.Cache-Control = "max-age=0, s-maxage=30, must-revalidate";
            set beresp.ttl = 30s;
        }
    }
}

sub vcl_deliver {
    unset resp.http.X-PS-Frontend;
}
