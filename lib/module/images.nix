# The images of a component: what the version names, with the user's overrides.
{ nearest, describe }:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    isString
    mapAttrs
    match
    elemAt
    ;

  # Registry and repository, tag, digest.
  parse =
    image:
    let
      parts = match "([^@]*[^@:/]|[^@:]*)(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?" image;
      withTag = match "(.*):([A-Za-z0-9_][A-Za-z0-9._-]*)" (elemAt parts 0);
    in
    {
      repository = if withTag == null then elemAt parts 0 else elemAt withTag 0;
      tag =
        if elemAt parts 1 != null then
          builtins.substring 1 128 (elemAt parts 1)
        else if withTag == null then
          null
        else
          elemAt withTag 1;
      digest = if elemAt parts 2 == null then null else builtins.substring 1 128 (elemAt parts 2);
    };

  format =
    {
      repository,
      tag,
      digest,
    }:
    repository
    + (if tag == null then "" else ":${tag}")
    + (if digest == null then "" else "@${digest}");

  override =
    upstream: change:
    if isString change then
      change
    else
      let
        parsed = parse upstream;
        pick = name: if change.${name} != null then change.${name} else parsed.${name};
      in
      format {
        repository = pick "repository";
        tag = pick "tag";
        # Another tag or repository is another image: upstream's digest is not its digest.
        digest =
          if change.digest != null then
            change.digest
          else if change.tag != null || change.repository != null then
            null
          else
            parsed.digest;
      };
in
{
  inherit parse format;

  /**
    Images by name with the `image` option applied.

    # Type

    ```
    resolve :: { table :: AttrSet, main :: String | null, option :: Any } -> AttrSet
    ```
  */
  resolve =
    {
      table,
      main,
      option,
    }:
    if option == null then
      table
    else if isString option then
      if main == null then table else table // { ${main} = option; }
    else
      table // mapAttrs (name: change: override (table.${name} or "") change) option;

  # Pull policies by image, where the user set one.
  policies =
    { images, option }:
    if option == null || isString option then
      { }
    else
      builtins.listToAttrs (
        concatMap (
          name:
          if !isString option.${name} && option.${name}.pullPolicy != null then
            [
              {
                name = images.${name};
                value = option.${name}.pullPolicy;
              }
            ]
          else
            [ ]
        ) (attrNames option)
      );

  problems =
    {
      table,
      main,
      option,
    }:
    if option == null then
      [ ]
    else if isString option then
      if main == null then
        [
          {
            path = "image";
            message = "this component has several images (${concatStringsSep ", " (attrNames table)}); expected image.<name> = …";
          }
        ]
      else
        [ ]
    else
      concatMap (
        name:
        if table ? ${name} then
          [ ]
        else
          let
            near = nearest name (attrNames table);
          in
          [
            {
              path = "image.${name}";
              message =
                "no image of that name; there are: ${concatStringsSep ", " (attrNames table)}"
                + (if near == null then "" else "; did you mean ${near}?");
            }
          ]
      ) (attrNames option);
}
