# Written by collective.recipe.productionstack for [stack]; see default.vcl.
# Names of files, in the place of files that nginx sends. [stack] xsendfile

sub ps_names_asked {
    # Nobody but nginx can do anything with one.
    if (local.socket != "nginx") {
        unset req.http.X-PS-Sendfile;
    }
}

sub ps_name_fetched {
    # It is kept like the file, beside it, and gone with it.
    if (bereq.http.X-PS-Sendfile != "yes" || beresp.status != 200 || beresp.http.X-Accel-Redirect !~ "^/[.]plone-blobs/(?:none|(?:0x[0-9a-f]+/)+0x[0-9a-f]+[.]blob)$") {
        unset beresp.http.X-Accel-Redirect;
    } elsif (beresp.http.Vary !~ "(?i)x-ps-sendfile") {
        set beresp.http.Vary = regsub(beresp.http.Vary + ", X-PS-Sendfile", "^[\s,]+", "");
    }
}

sub ps_name_told {
    if (resp.http.X-Accel-Redirect) {
        # Parts of the file, and whether it has changed, are told by nginx, of the file.
        unset req.http.Range;
        unset req.http.If-Range;
        unset req.http.If-None-Match;
        unset req.http.If-Modified-Since;
        set resp.http.Vary = regsub(resp.http.Vary, "(?i)\s*,?\s*x-ps-sendfile", "");
        set resp.http.Vary = regsub(resp.http.Vary, "^[\s,]+", "");
        if (resp.http.Vary == "") {
            unset resp.http.Vary;
        }
    }
}
