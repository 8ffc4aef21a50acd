# The address that clients use, and what follows from it.
let
  inherit (builtins) elemAt fromJSON match;

  # scheme, host, port and path of a URL.
  parseUrl =
    url:
    let
      parts = match "(https?)://([^:/]+)(:([0-9]+))?(/.*)?" url;
      scheme = elemAt parts 0;
      path = if elemAt parts 4 == null then "" else elemAt parts 4;
    in
    {
      inherit scheme;
      host = elemAt parts 1;
      explicitPort = if elemAt parts 3 == null then null else fromJSON (elemAt parts 3);
      port =
        if elemAt parts 3 != null then
          fromJSON (elemAt parts 3)
        else if scheme == "https" then
          443
        else
          80;
      # Without the slashes at its end: a prefix of paths.
      prefix =
        let
          found = elemAt (match "(.*[^/])?/*" path) 0;
        in
        if found == null then "" else found;
    };

  # service, namespace of an address inside the cluster, or null.
  clusterName =
    host:
    let
      parts = match "([a-z0-9-]+)([.]([a-z0-9-]+)([.]svc([.]cluster[.]local)?)?)?" host;
      certain = parts != null && (elemAt parts 1 == null || elemAt parts 3 != null);
    in
    if !certain then
      null
    else
      {
        service = elemAt parts 0;
        namespace = elemAt parts 2;
      };

  addressed = args: args ? trackingUri && args.trackingUri != null;
  addressOf = args: parseUrl args.trackingUri;
  inCluster =
    args:
    if addressed args && builtins.isString args.trackingUri then
      clusterName (addressOf args).host
    else
      null;
  outside = args: addressed args && inCluster args == null;
in
{
  inherit
    addressOf
    addressed
    inCluster
    outside
    parseUrl
    ;
}
