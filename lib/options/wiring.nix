# What a wired database or bucket means for the component that takes it: its options, and the Secrets that it
# needs in its own namespace.
let
  inherit (builtins) filter;

  given = set: removeAttrs set (filter (name: set.${name} == null) (builtins.attrNames set));

  copy = reference: {
    inherit (reference) name namespace;
  };
in
{
  /**
    Options of a section that stands on a database: `section { wire.sql = wiring.sql; … }`.

    # Type

    ```
    sql :: Endpoint -> { type, host, port, database ?, username ?, secretRef ? }
    ```
  */
  sql =
    endpoint:
    given {
      type = endpoint.dialect;
      inherit (endpoint) host port;
      database = endpoint.database or null;
      username = endpoint.username or null;
      secretRef =
        if endpoint ? secretRef then
          {
            inherit (endpoint.secretRef) name key;
            copyOf = copy endpoint.secretRef // {
              inherit (endpoint.secretRef) key;
            };
          }
        else
          null;
    };

  /**
    Options of a section that stands on a bucket: `section { wire.bucket = wiring.bucket; … }`. An `s3` endpoint gives
    the same without a bucket.

    # Type

    ```
    bucket :: Endpoint -> { type, bucket ?, endpoint, region, secretRef }
    ```
  */
  bucket =
    endpoint:
    given {
      type = "s3";
      bucket = endpoint.bucket or null;
      endpoint = endpoint.url;
      inherit (endpoint) region;
      secretRef = {
        inherit (endpoint.credentials) name accessKey secretKey;
        copyOf = copy endpoint.credentials // {
          inherit (endpoint.credentials) accessKey secretKey;
        };
      };
    };

  /**
    The Secret of a password, as `secrets` of a module wants it. Without `copyOf` a platform finds the database at
    `host` by itself, and the Secret becomes a copy of its owner's.

    # Type

    ```
    password :: { namespace, reference, purpose, host ? null, item ? null } -> [Secret]
    ```
  */
  password =
    {
      namespace,
      reference,
      purpose,
      host ? null,
      item ? null,
    }:
    let
      source = reference.copyOf or null;
    in
    if source != null && source.namespace == namespace && source.name == reference.name then
      [ ]
    else
      [
        {
          inherit (reference) name;
          inherit purpose;
          keys = [
            {
              inherit (reference) key;
              inherit purpose;
              copyOf = source;
              follow = {
                inherit host item;
                field = "password";
              };
            }
          ];
        }
      ];

  /**
    The Secret of an access key pair, as `secrets` of a module wants it; `host` and `item` (the bucket) as for
    `password`.

    # Type

    ```
    accessKeys :: { namespace, reference, purpose, host ? null, item ? null } -> [Secret]
    ```
  */
  accessKeys =
    {
      namespace,
      reference,
      purpose,
      host ? null,
      item ? null,
    }:
    let
      source = reference.copyOf or null;
      entry = field: what: {
        key = reference.${field};
        purpose = what;
        copyOf =
          if source == null then
            null
          else
            {
              inherit (source) namespace name;
              key = source.${field};
            };
        follow = {
          inherit host item field;
        };
      };
    in
    if source != null && source.namespace == namespace && source.name == reference.name then
      [ ]
    else
      [
        {
          inherit (reference) name;
          inherit purpose;
          keys = [
            (entry "accessKey" "access key id")
            (entry "secretKey" "secret access key")
          ];
        }
      ];
}
