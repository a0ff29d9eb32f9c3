# Written by collective.recipe.productionstack for [stack] in buildout.cfg.
# Change it there and run bin/buildout; then: bin/stack diff, bin/stack reload
#
# What is cached: answers that Plone marks with s-maxage or max-age, for anonymous
# visitors. Who has a session is passed to Plone and never gets a stored answer.
# Headers named X-PS-… are ours; nobody outside sees or sets them.
vcl 4.1;

import std;

probe answers {
    # GET: Zope answers HEAD wrongly. Connection: close frees the worker at once.
    .request =
        "GET /haproxy-health HTTP/1.1"
        "Host: localhost"
        "Connection: close";
    .interval = 2s;
    .timeout = 2s;
    .window = 3;
    .threshold = 2;
    .initial = 2;
}

backend plone {
    .host = "127.0.0.1"; # [stack] balancer-address
    .port = "8004";
    .connect_timeout = 3s;
    .first_byte_timeout = 300s;
    .between_bytes_timeout = 60s;
    .probe = answers;
}

acl this_machine {
    "127.0.0.0"/8;
    "::1";
}

# Who may purge, wherever that listens: the machines that the clients are on.
acl purgers {
    "127.0.0.0"/8;
    "::1";
}

include "names.vcl";
include "frontends.vcl";

sub vcl_recv {
    # Only a restart of our own may bring this along.
    if (req.restarts == 0) {
        unset req.http.X-PS-Stale;
    }
    unset req.http.X-PS-Session;
    unset req.http.X-PS-Language;
    unset req.http.X-PS-Result;
    unset req.http.X-PS-Query;
    unset req.http.X-PS-Owner;
    unset req.http.X-PS-Id;
    unset req.http.X-PS-Site;
    unset req.http.X-Anonymous;
    unset req.http.Proxy;

    if (local.socket == "purge") { # [stack] purge-address
        if (req.method != "PURGE") {
            return (synth(405));
        }
        if (client.ip !~ purgers) {
            return (synth(403));
        }
        call ps_purge;
        return (synth(200, "Purged"));
    }
    if (req.method !~ "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$") {
        return (synth(405));
    }

    # Varnish fails where it passes on that several parts of a file are wanted: all of
    # it is an answer to that too (RFC 9110 14.2).
    if (req.http.Range !~ "^bytes=(?:[0-9]+-[0-9]*|-[0-9]+)$") {
        unset req.http.Range;
    }

    # nginx names the visitor; Varnish has appended its own peer, which is nginx.
    if (local.socket == "nginx") {
        set req.http.X-Forwarded-For = req.http.X-Real-IP;
    }

    call ps_address;

    # Only for add-ons that speak it: Zope does not, and nginx lets none in.
    if (req.method == "GET" && req.http.Upgrade ~ "(?i)^websocket$") {
        return (pipe);
    }

    # Sessions: whole names only, so that no other cookie passes for one.
    if (req.http.Authorization
        || req.http.Cookie ~ "(?:^|;\s*)(?:__ac|__ac_name|__ac_password|__ac_persistent|auth_token|statusmessages|__cp|_ZopeId)=") {
        set req.http.X-PS-Session = "yes";
        # Bundles are the same for everybody; vcl_miss passes what is not stored.
        if (req.method != "GET" || req.http.X-PS-Path !~ "^/\+\+webresource\+\+") {
            return (pass);
        }
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # A body would reach Plone and could make an answer that others get.
    if (req.http.Transfer-Encoding || (req.http.Content-Length && req.http.Content-Length != "0")) {
        return (pass);
    }
    # Views that take a password or send mail.
    if (req.http.X-PS-Path ~ "/(?:@@)?(?:(?:failsafe_)?login(?:_form)?|logout|logged[_-]out|require_login|login-help|mail_password(?:_form)?|passwordreset|pwreset_[a-z]+|register|join_form|contact-info|sendto(?:_form)?|@login|@logout|@login-renew|@users|@email-send|@email-notification)(?:/|$)") {
        return (pass);
    }

    # From here on the request is anonymous, and made as like others as can be. The
    # language counts only for answers with Vary: X-PS-Language (bin/stack
    # plone-caching asks Plone for that where the site negotiates it).
    # Plone is told no more than is told apart.
    if (req.http.Accept-Language) {
        set req.http.Accept-Language = std.tolower(regsuball(req.http.Accept-Language, "\s*;[^,]*|\s", ""));
    }
    set req.http.X-PS-Language = req.http.Accept-Language;
    if (req.http.Cookie ~ "(?:^|;\s*)I18N_LANGUAGE=\x22?[A-Za-z_-]{2,12}\x22?(?:;|$)") {
        set req.http.X-PS-Language = "=" + regsub(req.http.Cookie, "^(?:.*?;\s*)??I18N_LANGUAGE=\x22?([A-Za-z_-]+).*$", "\1")
            + "=" + req.http.Accept-Language;
    }
    unset req.http.Cookie;
    set req.http.X-Anonymous = "True";

    # plone.rest answers JSON to this one media type alone, error pages are HTML for
    # whoever names text/html: three kinds of answers live at one address.
    if (req.http.Accept ~ "^\s*application/json\s*(?:;[^,]*)?$" || req.http.X-PS-Path ~ "/\+\+api\+\+(?:/|$)") {
        set req.http.Accept = "application/json";
    } elsif (req.http.Accept ~ "text/html") {
        set req.http.Accept = "text/html";
    } else {
        set req.http.Accept = "*/*";
    }

    if (req.url ~ "[?]") {
        # Tracking parameters are for scripts in the browser; neither the key nor Plone
        # needs them. Of a file nothing depends on its query.
        set req.url = regsuball(req.url, "([?&])(?:utm_[A-Za-z0-9_]*|gclid|gclsrc|gbraid|wbraid|dclid|srsltid|_ga|_gl|gad_source|gad_campaignid|gad|gs_l|fbclid|fb_action_ids|fb_action_types|fb_source|igsh|igshid|msclkid|ttclid|twclid|li_fat_id|epik|yclid|_openstat|ScCid|rdt_cid|qclid|mc_cid|mc_eid|_hsenc|_hsmi|__hssc|__hstc|__hsfp|hsa_[A-Za-z0-9_]*|hsCtaTracking|mkt_tok|vero_id|vero_conv|s_kwcid|ef_id|_kx|wickedid|wickedsource|oly_anon_id|oly_enc_id|rb_clickid|irclickid|pk_[A-Za-z0-9_]*|mtm_[A-Za-z0-9_]*|matomo_[A-Za-z0-9_]*|piwik_[A-Za-z0-9_]*)=[^&]*", "\1");
        if (req.http.Accept != "application/json"
            && req.http.X-PS-Path ~ "(?i)/@@(?:images|download|display-file)/|\.(?:avif|docx?|gif|gz|ico|iso|jpe?g|m4[av]|mov|mp[34]|od[pst]|ogg|pdf|png|pptx?|tiff?|wav|webm|webp|xlsx?|zip)$") {
            set req.url = regsub(req.url, "[?].*$", "");
        }
        set req.url = regsub(regsub(regsuball(req.url, "&&+", "&"), "[?]&+", "?"), "[?&]+$", "");
    }
    if (req.url ~ "[?]") {
        # For the key alone the rest is sorted, unless a name comes twice (then order
        # counts) or there are too many to see that quickly.
        set req.http.X-PS-Query = regsub(req.url, "^[^?]*", "");
        if (req.url !~ "(?:&[^&]*){20}" && req.url !~ "[?&]([^=&]+)=[^&]*+(?:&(?!\1=)[^&]*+)*+&\1=") {
            set req.http.X-PS-Query = std.querysort(req.http.X-PS-Query);
        }
    }

    # A short grace while Plone is well; a day while it is not (RFC 5861). Looked for
    # is what the day has; vcl_hit knows whether that is there, and comes back.
    if (req.http.X-PS-Stale == "known" && std.healthy(req.backend_hint)) {
        set req.grace = 10s; # [stack] grace
    } else {
        set req.grace = 24h;
    }
    return (hash);
}

sub vcl_pipe {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = "Upgrade";
}

sub vcl_hash {
    # The address as the site sees it, so that a PURGE finds it whatever its Host is.
    hash_data(req.http.X-PS-Base);
    hash_data(req.http.X-PS-Root);
    hash_data(req.http.X-PS-Path);
    hash_data(req.http.X-PS-Query);
    hash_data(req.http.Accept);
    if (req.http.X-PS-Base == "") {
        hash_data(std.tolower(req.http.Host));
    }
    if (req.http.Origin) {
        # Plone does not say which JSON differs by it; other answers vary if they do.
        if (req.http.Accept == "application/json") {
            hash_data(req.http.Origin);
        } else {
            hash_data("origin");
        }
    }
    return (lookup);
}

sub vcl_hit {
    if (obj.ttl <= 0s) {
        if (req.http.X-PS-Session) {
            # What is fetched anew is fetched as the visitor asks, and kept for all.
            return (pass);
        }
        if (obj.ttl + 10s < 0s && !req.http.X-PS-Stale && std.healthy(req.backend_hint)) {
            # Too old, but there should Plone fail.
            set req.http.X-PS-Stale = "known";
            return (restart);
        }
        # It is shown once more, and asked for anew behind the visitor's back.
        call ps_owner;
    }
    set req.http.X-PS-Result = "HIT";
}

sub vcl_miss {
    set req.http.X-PS-Result = "MISS";
    if (req.http.X-PS-Session) {
        return (pass);
    }
    call ps_owner;
}

sub vcl_pass {
    if (!req.http.X-PS-Result || req.http.X-PS-Session) {
        set req.http.X-PS-Result = "PASS";
    }
}

sub vcl_backend_fetch {
    # Zope has no HEAD for folders; uploads of the REST API are the exception.
    if (bereq.method == "HEAD" && bereq.url !~ "@tus-upload") {
        set bereq.method = "GET";
    }
    # Plone says "not modified" of an image's scale before it looks at permissions.
    if (bereq.http.X-PS-Path ~ "/(?:@@)?images/") {
        unset bereq.http.If-None-Match;
        unset bereq.http.If-Modified-Since;
    }
    if (bereq.http.X-PS-Language ~ "^=") {
        set bereq.http.Cookie = "I18N_LANGUAGE=" + regsub(bereq.http.X-PS-Language, "^=([^=]*)=.*$", "\1");
    }
    unset bereq.http.X-PS-Result;
    unset bereq.http.X-PS-Query;
    unset bereq.http.X-PS-Base;
    unset bereq.http.X-PS-Root;
    unset bereq.http.X-PS-Path;
    unset bereq.http.X-PS-Session;
}

sub vcl_backend_response {
    set beresp.http.X-PS-Site = bereq.http.X-PS-Site;
    set beresp.http.X-PS-Owner = bereq.http.X-PS-Owner;
    set beresp.http.X-PS-Id = bereq.http.X-PS-Id;
    unset beresp.http.X-PS-Control;
    unset beresp.http.X-Cache;
    unset beresp.http.X-Cache-Operation;
    unset beresp.http.X-Powered-By;
    unset beresp.http.X-RAMCache;
    unset beresp.http.Server;
    unset beresp.http.xkey;
    unset beresp.http.X-Ids-Involved;

    # s-maxage was meant for us: a cache further out could not be purged. What Plone
    # said stays as it is, since it is read again whenever Plone says "not modified".
    if (beresp.http.Cache-Control ~ "(?i)s-maxage") {
        set beresp.http.X-PS-Control = regsuball(beresp.http.Cache-Control, "(?i)\s*s-maxage\s*=[^,]*,?", "");
        set beresp.http.X-PS-Control = regsuball(beresp.http.X-PS-Control, "^[\s,]+|[\s,]+$", "");
        if (beresp.http.X-PS-Control == "") {
            # Without a word browsers would guess.
            set beresp.http.X-PS-Control = "max-age=0, must-revalidate";
        }
    }

    # Text is compressed once, here; Zope never does it.
    if (beresp.http.Content-Type ~ "^(?:text/|application/(?:[a-z.+-]*(?:json|xml|javascript))|image/svg)") {
        set beresp.do_gzip = true;
    }
    set beresp.grace = 24h;
    set beresp.keep = 1h;

    if (beresp.status >= 500) {
        # An error must not take the place of a good page: the stale one is shown.
        if (bereq.is_bgfetch || bereq.http.X-PS-Stale == "known") {
            return (abandon);
        }
        # Plone marks some errors as good for a year.
        set beresp.http.X-PS-Control = "no-store";
        unset beresp.http.Expires;
        set beresp.uncacheable = true;
        set beresp.ttl = 1s;
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        return (deliver);
    }
    if (bereq.uncacheable) {
        return (deliver);
    }
    if (std.integer(beresp.http.Content-Length, 0) > 20971520) { # [stack] cache-file-limit
        # Streamed, with Range, and without pushing everything else out.
        return (pass(120s));
    }
    if (beresp.was_304 && beresp.ttl <= 0s) {
        # Plone's "not modified" repeats no time, and Varnish takes none from the answer
        # that it has: without this a page asked for again was stored no more.
        set beresp.ttl = std.duration(regsub(
            regsub(beresp.http.Cache-Control, "(?i)^.*?s-maxage\s*=\s*([0-9]+).*$", "max-age=\1"),
            "(?i)^.*?max-age\s*=\s*([0-9]+).*$", "\1s"), 0s);
    }
    if (beresp.ttl > 110s
        && (bereq.http.X-PS-Owner !~ "^=/(?:\+\+webresource\+\+[^/]+/)?\+\+(?:plone|resource|theme)\+\+"
            || bereq.url ~ "/@@(?:images|download|display-file)/|/images/[^/?]*[0-9a-f]{12}[.]"
            || beresp.http.X-Cache-Rule ~ "content")) {
        # The folder of what is no bundle, by whatever way it is asked for, may be
        # retracted, or renamed, without a purge of what is inside. So Plone is asked
        # again, mostly with If-Modified-Since, two minutes after it was.
        set beresp.ttl = 110s;
    }
    if (!beresp.http.Cache-Control && (beresp.status == 404
        || (beresp.status == 200 && bereq.http.X-PS-Owner == "=/robots.txt"))) {
        set beresp.ttl = 10s;
    }
    if (beresp.ttl <= 0s
        || (beresp.status != 200 && beresp.status != 301 && beresp.status != 404)
        || beresp.http.Set-Cookie
        || beresp.http.Cache-Control ~ "(?i)(?:^|[\s,])(?:private|no-cache|no-store)(?:$|[\s,=])"
        || beresp.http.Vary ~ "(?i)[*]|cookie|user-agent"
        || beresp.http.Surrogate-Control ~ "(?i)no-store") {
        # Remembered as not to be stored, so that visitors do not queue for it.
        set beresp.uncacheable = true;
        set beresp.ttl = 120s;
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        return (deliver);
    }
    if (bereq.http.Origin && beresp.http.Access-Control-Allow-Origin
        && beresp.http.Access-Control-Allow-Origin != "*" && beresp.http.Vary !~ "(?i)origin") {
        set beresp.http.Vary = regsub(beresp.http.Vary + ", Origin", "^[\s,]+", "");
    }
    if (beresp.http.Vary ~ "(?i)(?:^|[,\s])(?!(?:accept|accept-encoding|origin|x-anonymous|x-ps-language)(?:[,\s]|$))[a-z]") {
        # Stored once for each value that browsers send: seldom meant.
        std.log("stored with Vary: " + beresp.http.Vary);
    }
    if (beresp.status == 404 || bereq.http.X-PS-Owner == "=/robots.txt") {
        # Plone purges nothing when a page is made where none was.
        if (beresp.ttl > 10s) {
            set beresp.ttl = 10s;
        }
        set beresp.grace = 0s;
        set beresp.keep = 0s;
    }
    # Files, which are large, never drop a page.
    set beresp.storage = storage.files;
    if (beresp.do_gzip) {
        set beresp.storage = storage.pages;
    }
    return (deliver);
}

sub vcl_deliver {
    # A browser would count Age against its own copy.
    unset resp.http.Age;
    unset resp.http.X-PS-Site;
    unset resp.http.X-PS-Owner;
    unset resp.http.X-PS-Id;
    unset resp.http.X-Cache-Rule; # kept for a "not modified", which may not repeat it
    unset resp.http.X-Varnish;
    unset resp.http.X-Vinyl; # its name since Varnish is Vinyl Cache
    unset resp.http.Via;
    unset resp.http.xkey;
    unset resp.http.Surrogate-Control;

    if (resp.http.Vary ~ "(?i)x-anonymous") {
        set resp.http.Vary = regsub(resp.http.Vary, "(?i)\s*,?\s*x-anonymous", "");
        set resp.http.Vary = regsub(resp.http.Vary, "^[\s,]+", "");
        if (resp.http.Vary == "") {
            unset resp.http.Vary;
        }
    }
    if (resp.http.Vary ~ "(?i)x-ps-language") {
        set resp.http.Vary = regsub(resp.http.Vary, "(?i)x-ps-language", "Accept-Language");
    }

    if (resp.http.X-PS-Control) {
        set resp.http.Cache-Control = resp.http.X-PS-Control;
        unset resp.http.X-PS-Control;
    }

    # nginx shows it to this machine only; here the same rule holds.
    if (local.socket == "nginx"
        || (client.ip ~ this_machine && req.http.X-Forwarded-For !~ ",")) {
        set resp.http.X-Cache = req.http.X-PS-Result;
    }
}

sub vcl_backend_error {
    set beresp.http.X-PS-Site = bereq.http.X-PS-Site;
    set beresp.http.X-PS-Owner = bereq.http.X-PS-Owner;
    if (bereq.is_bgfetch || bereq.http.X-PS-Stale == "known") {
        return (abandon);
    }
    set beresp.uncacheable = true;
    set beresp.ttl = 1s;
    set beresp.http.Cache-Control = "no-store";
    set beresp.http.Retry-After = "10";
    if (bereq.http.Accept ~ "^\s*application/json" || bereq.url ~ "/\+\+api\+\+(?:/|$)") {
        set beresp.http.Content-Type = "application/json";
        synthetic({"{"type": "ServiceUnavailable", "message": "This site cannot answer at the moment. Please try again in a few seconds." }"});
    } else {
        set beresp.http.Content-Type = "text/html; charset=utf-8";
        synthetic({"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'><title>Back soon</title><link rel='icon' href='data:,'><style>:root{color-scheme:light dark}body{font:1.125rem/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto 3rem;padding:0 1.5rem}main{border-left:.25rem solid #1f7fb8;padding-left:1.25rem}h1{font-size:1.75rem;line-height:1.25;margin:0 0 .5rem}p{margin:0}small{font-family:ui-monospace,monospace}</style></head><body><main><h1>Back soon</h1><p>This site cannot answer at the moment. Please try again in a few seconds.</p></main></body></html>"});
    }
    return (deliver);
}

sub vcl_synth {
    if (resp.status == 503 && req.http.X-PS-Stale == "known" && req.http.X-Anonymous) {
        # The fetch was given up: a stale page is better than none.
        set req.http.X-PS-Stale = "yes";
        return (restart);
    }
    unset resp.http.X-Varnish;
    unset resp.http.X-Vinyl;
    unset resp.http.Server;
    set resp.http.Cache-Control = "no-store";
    if (resp.status == 503) {
        set resp.http.Retry-After = "10";
        if (req.http.Accept ~ "^\s*application/json" || req.url ~ "/\+\+api\+\+(?:/|$)") {
            set resp.http.Content-Type = "application/json";
            synthetic({"{"type": "ServiceUnavailable", "message": "This site cannot answer at the moment. Please try again in a few seconds." }"});
        } else {
            set resp.http.Content-Type = "text/html; charset=utf-8";
            synthetic({"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'><title>Back soon</title><link rel='icon' href='data:,'><style>:root{color-scheme:light dark}body{font:1.125rem/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto 3rem;padding:0 1.5rem}main{border-left:.25rem solid #1f7fb8;padding-left:1.25rem}h1{font-size:1.75rem;line-height:1.25;margin:0 0 .5rem}p{margin:0}small{font-family:ui-monospace,monospace}</style></head><body><main><h1>Back soon</h1><p>This site cannot answer at the moment. Please try again in a few seconds.</p></main></body></html>"});
        }
        return (deliver);
    }
    if (resp.status == 405) {
        set resp.http.Allow = "GET, HEAD, POST";
        if (local.socket == "purge") {
            set resp.http.Allow = "PURGE";
        }
    }
    set resp.http.Content-Type = "text/html; charset=utf-8";
    synthetic({"<!doctype html><title>"} + resp.status + {"</title><h1>"} + resp.status + " " + resp.reason + {"</h1>
"});
    return (deliver);
}
