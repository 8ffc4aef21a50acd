/**
  The library: every builder, `mkPlatform`, `mkModule`, and what user modules are written with.

  `import ./lib { }` and the flake's `lib` are this set. Arguments such as `lib` are accepted and ignored.
*/
{ ... }:
let
  inherit (builtins) mapAttrs;
  inherit (import ./text/nearest.nix) nearest;

  schema = import ./schema { };
  options = import ./options {
    fragments = (schema.forVersion schema.default).fragment;
  };
  kubernetes = import ./kubernetes;
  images = import ./module/images.nix {
    inherit nearest;
    inherit (options) describe;
  };
  inherit
    (import ./module {
      inherit
        options
        nearest
        kubernetes
        schema
        ;
      network = import ./platform/network.nix;
    })
    mkModule
    checkObjects
    mergeArgs
    ;

  # What a module file of this repository is a function of; a user's own module finds the same in the library.
  workshop = {
    inherit kubernetes mkModule;
    inherit (options)
      types
      option
      section
      common
      wiring
      ;
  };

  inherit (import ./discover.nix { inherit workshop; } ../modules) builders requirements;

  mkPlatform = import ./platform {
    inherit
      options
      schema
      nearest
      images
      checkObjects
      mergeArgs
      requirements
      builders
      ;
  };

  self = builders // {
    inherit mkPlatform mkModule kubernetes;
    inherit (options)
      types
      option
      section
      common
      wiring
      ;

    adapters = import ./adapters { inherit self; };

    /**
      Objects of a JSON file, to go into `extraObjects`.

      # Type

      ```
      fromJSONFile :: Path -> [Object]
      ```
    */
    fromJSONFile = import ./render/read.nix;
    fromYAMLFile = import ./render/read.nix;

    yaml = import ./render/yaml.nix;

    # For the command line: documentation and JSON Schemas of every builder.
    reference = mapAttrs (_: builder: builder.reference) (builders // { inherit mkPlatform; });
    schemas = mapAttrs (_: builder: builder.schema) (builders // { inherit mkPlatform; });
    inherit requirements;

    /**
      The set document of whatever a user's file gives: a platform, a component (as a platform of one), a
      function of the library, or an attribute set with `platform`.

      # Type

      ```
      setOf :: Any -> AttrSet
      ```
    */
    setOf = import ./render/target.nix { inherit self; };
  };
in
self
