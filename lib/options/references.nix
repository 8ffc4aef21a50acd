# Types that refer to Secrets. A secret's value is never in Nix: only the name of the Secret that holds it.
{ types, declare }:
let
  inherit (declare) option submodule;

  source = submodule {
    name = "secret key";
    options = {
      namespace = option {
        type = types.dnsLabel;
        description = "Namespace of the Secret.";
      };
      name = option {
        type = types.dnsSubdomain;
        description = "Name of the Secret.";
      };
      key = option {
        type = types.secretKey;
        description = "Key in the Secret.";
      };
    };
  };

  name = option {
    type = types.dnsSubdomain;
    description = "Name of the Secret, in the namespace of the component.";
  };
in
{
  /**
    A reference to one key of a Secret: `{ name; key; }`. `copyOf` says that it must hold the same value as a
    Secret of another namespace; the command line then creates it as a copy.

    # Type

    ```
    secretRef :: String -> Type
    ```

    # Examples

    ```nix
    backend.secretRef = option { type = types.secretRef "password"; default = null; description = "…"; }
    ```
  */
  secretRef =
    defaultKey:
    submodule {
      name = "secret reference";
      options = {
        inherit name;
        key = option {
          type = types.secretKey;
          default = defaultKey;
          description = "Key in the Secret.";
        };
        copyOf = option {
          type = source;
          default = null;
          description = "Secret of another namespace that holds the same value.";
        };
      };
    }
    // {
      expected = "a secret reference { name = \"…\"; key = \"…\"; }";
    };

  /**
    A reference to a Secret with an access key and a secret key, as S3 clients want them.

    # Type

    ```
    accessKeyRef :: Type
    ```
  */
  accessKeyRef =
    submodule {
      name = "access key reference";
      options = {
        inherit name;
        accessKey = option {
          type = types.secretKey;
          default = "AWS_ACCESS_KEY_ID";
          description = "Key in the Secret that holds the access key id.";
        };
        secretKey = option {
          type = types.secretKey;
          default = "AWS_SECRET_ACCESS_KEY";
          description = "Key in the Secret that holds the secret access key.";
        };
        copyOf = option {
          type = submodule {
            name = "access key source";
            options = {
              namespace = option {
                type = types.dnsLabel;
                description = "Namespace of the Secret.";
              };
              name = option {
                type = types.dnsSubdomain;
                description = "Name of the Secret.";
              };
              accessKey = option {
                type = types.secretKey;
                default = "AWS_ACCESS_KEY_ID";
                description = "Key that holds the access key id.";
              };
              secretKey = option {
                type = types.secretKey;
                default = "AWS_SECRET_ACCESS_KEY";
                description = "Key that holds the secret access key.";
              };
            };
          };
          default = null;
          description = "Secret of another namespace that holds the same keys.";
        };
      };
    }
    // {
      expected = "an access key reference { name = \"…\"; }";
    };
}
