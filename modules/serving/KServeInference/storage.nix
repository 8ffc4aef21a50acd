# Where models come from: what a location needs in the way of hosts, credentials and identities.
{ wiring }:
let
  inherit (builtins)
    elemAt
    fromJSON
    head
    map
    match
    ;

  schemeOf =
    uri:
    let
      parts = match "([a-z0-9+]+)://.*" uri;
    in
    if parts == null then "file" else head parts;

  hostAndPort =
    url: ports:
    let
      parts = match "([a-z+]+)://([^/:@]+)(:([0-9]+))?(/.*)?" url;
    in
    if parts == null then
      null
    else
      {
        scheme = elemAt parts 0;
        host = elemAt parts 1;
        port = if elemAt parts 3 != null then fromJSON (elemAt parts 3) else ports.${elemAt parts 0} or 443;
      };

  webPorts = {
    http = 80;
    https = 443;
    hdfs = 8020;
    webhdfs = 9870;
  };

  # The store's Secret holds its keys alone; KServe wants the address beside them, in a Secret of our own.
  wired =
    endpoint:
    let
      told = wiring.bucket endpoint;
    in
    {
      inherit (told) endpoint region;
      pathStyle = endpoint.pathStyle or true;
      secretRef = {
        name = "${told.secretRef.name}-kserve";
        accessKey = "AWS_ACCESS_KEY_ID";
        secretKey = "AWS_SECRET_ACCESS_KEY";
        inherit (told.secretRef) copyOf;
      };
    };

  word = value: if value then "1" else "0";

  # Keys that KServe looks for in a Secret, by kind of store.
  keysOf = {
    gs = [ "gcloud-application-credentials.json" ];
    hf = [ "HF_TOKEN" ];
    azure = [ "AZURE_STORAGE_ACCESS_KEY" ];
    https = [
      "https-host"
      "headers"
    ];
    hdfs = [ "HDFS_NAMENODE" ];
  };
  # The first key is how KServe tells the kinds apart.
  kindOf =
    uri:
    let
      scheme = schemeOf uri;
    in
    if match "https://[^/]*[.](blob|file)[.]core[.]windows[.]net/.*" uri != null then
      "azure"
    else
      {
        s3 = "s3";
        gs = "gs";
        hf = "hf";
        https = "https";
        http = "https";
        hdfs = "hdfs";
        webhdfs = "hdfs";
      }
      .${scheme} or "none";

  purposeOf = {
    gs = "service account key of Google Cloud";
    hf = "token of Hugging Face";
    azure = "access key of the storage account";
    https = "host and headers of the download";
    hdfs = "name node, and whatever else KServe's HDFS client reads";
  };
in
{
  inherit
    hostAndPort
    keysOf
    kindOf
    schemeOf
    webPorts
    wired
    ;

  /**
    Storage as it is in effect: the `storage` option, else what the bucket brings that a model was wired to.

    # Type

    ```
    effective :: Config -> Endpoint | null -> AttrSet
    ```
  */
  effective =
    storage: bucket:
    if bucket == null || storage.endpoint != null || storage.secretRef != null then
      storage
    else
      storage // wired bucket;

  /**
    Hosts that a location is fetched from.

    # Type

    ```
    hosts :: Storage -> String -> [{ host, port }]
    ```
  */
  hosts =
    storage: uri:
    let
      scheme = schemeOf uri;
    in
    if scheme == "s3" then
      if storage.endpoint != null then
        [ (hostAndPort storage.endpoint webPorts) ]
      else
        [
          {
            host = if storage.region == null then "s3.amazonaws.com" else "s3.${storage.region}.amazonaws.com";
            port = 443;
          }
        ]
    else if scheme == "gs" then
      [
        {
          host = "storage.googleapis.com";
          port = 443;
        }
      ]
    else if scheme == "hf" then
      [
        {
          host = "huggingface.co";
          port = 443;
        }
      ]
    else
      let
        found = hostAndPort uri webPorts;
      in
      if webPorts ? ${scheme} && found != null then [ found ] else [ ];

  /**
    The Secret that a ServiceAccount hands to the container that fetches models. KServe reads the S3 settings beside the keys
    from annotations of the Secret or from keys of it; keys need no second object.
    Source: kserve/kserve v0.20.0, pkg/credentials/s3/utils.go.

    # Type

    ```
    secret :: { storage, kind, namespace, bucket } -> [Secret]
    ```
  */
  secret =
    {
      storage,
      kind,
      namespace,
      bucket ? null,
    }:
    let
      reference = storage.secretRef;
      fixed = key: purpose: value: { inherit key purpose value; };
      address = if storage.endpoint == null then null else hostAndPort storage.endpoint webPorts;
      settings =
        (
          if storage.endpoint == null then
            [ ]
          else
            [
              (fixed "S3_ENDPOINT" "host and port of the store" (
                head (match "[a-z]+://([^/]*).*" storage.endpoint)
              ))
              (fixed "S3_USE_HTTPS" "whether it speaks TLS" (word (address.scheme == "https")))
              (fixed "S3_VERIFY_SSL" "whether its certificate is verified" (word storage.verifySSL))
              (fixed "S3_USER_VIRTUAL_BUCKET" "whether buckets are in the host name" (word (!storage.pathStyle)))
            ]
        )
        ++ (
          if storage.region == null then
            [ ]
          else
            [ (fixed "AWS_DEFAULT_REGION" "region of the store" storage.region) ]
        )
        ++ (
          if storage.caBundleConfigMap == null then
            [ ]
          else
            [ (fixed "AWS_CA_BUNDLE_CONFIGMAP" "ConfigMap with the store's CA" storage.caBundleConfigMap) ]
        );
    in
    if reference == null then
      [ ]
    else if kind == "s3" then
      map (entry: entry // { keys = entry.keys ++ settings; }) (
        wiring.accessKeys {
          inherit namespace reference;
          purpose = "keys with which models are fetched";
          host = if address == null then null else address.host;
          item = bucket;
        }
      )
    else
      [
        {
          inherit (reference) name;
          purpose = "credentials with which models are fetched";
          keys = map (key: {
            inherit key;
            purpose = purposeOf.${kind} or "credentials";
            copyOf = null;
          }) (keysOf.${kind} or [ ]);
        }
      ];
}
