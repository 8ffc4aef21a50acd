# Images of a whole set: collected from wherever they stand, and rewritten there.
{ images }:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatLists
    concatMap
    filter
    fromJSON
    isAttrs
    isList
    isString
    listToAttrs
    map
    match
    replaceStrings
    sort
    stringLength
    substring
    toJSON
    unsafeDiscardStringContext
    ;
  inherit (images) parse format;

  # Every `image` field of an object, at any depth: pods, and pods in custom resources.
  fields =
    value:
    if isAttrs value then
      concatLists (
        map (
          name:
          if name == "image" && isString value.image then
            [ value.image ]
          else if isAttrs value.${name} || isList value.${name} then
            fields value.${name}
          else
            [ ]
        ) (attrNames value)
      )
    else if isList value then
      concatMap fields value
    else
      [ ];

  contains = text: part: replaceStrings [ part ] [ "" ] text != text;

  # docker.io is what an image without a registry means.
  qualified =
    image:
    if match "[^/]*[.:][^/]*/.*|localhost/.*" image != null then
      image
    else if match "[^/]*" image != null then
      "docker.io/library/${image}"
    else
      "docker.io/${image}";

  startsWith = prefix: text: substring 0 (stringLength prefix) text == prefix;

  rewriteOne =
    {
      mirror,
      override,
      digests,
      ...
    }:
    let
      prefixes = sort (a: b: stringLength a > stringLength b) (attrNames mirror);
    in
    image:
    let
      pinned =
        if digests ? ${image} && !contains image "@" then "${image}@${digests.${image}}" else image;
      parsed = parse pinned;
      replaced =
        if override ? ${parsed.repository} then
          override.${parsed.repository}
        else if override ? ${(parse (qualified pinned)).repository} then
          override.${(parse (qualified pinned)).repository}
        else
          pinned;
      full = qualified replaced;
      matching = filter (prefix: startsWith "${prefix}/" full) prefixes;
      prefix = builtins.head matching;
    in
    if matching == [ ] then replaced else mirror.${prefix} + substring (stringLength prefix) (-1) full;

  unique =
    list:
    attrNames (
      listToAttrs (
        map (name: {
          inherit name;
          value = null;
        }) list
      )
    );
in
{
  inherit qualified;

  /**
    Images of entries, with the components that use them; candidates that occur in the text of no object of their component
    (an image of a part that is switched off) are left out.

    # Type

    ```
    collect :: { <id> :: Component } -> [Entry] -> [{ image, components }]
    ```
  */
  collect =
    rewrite: components: entries:
    let
      ofComponent = builtins.groupBy (
        entry: if entry.component == null then "" else entry.component
      ) entries;
      found = concatLists (
        map (
          id:
          let
            objects = map (entry: entry.object) ofComponent.${id};
            text = toJSON objects;
            declared = if id == "" then [ ] else filter (contains text) (map rewrite components.${id}.images);
          in
          map (image: {
            inherit image;
            component = id;
          }) (unique (declared ++ fields objects))
        ) (attrNames ofComponent)
      );
      byImage = builtins.groupBy (use: use.image) found;
    in
    map (image: {
      inherit image;
      components = filter (id: id != "") (unique (map (use: use.component) byImage.${image}));
    }) (filter (image: image != "") (attrNames byImage));

  /**
    Rewrite images by mirror, override and digests in every string of every object.

    # Type

    ```
    rewriter :: Settings -> { one :: String -> String, entries :: { <id> :: Component } -> [Entry] -> [Entry] }
    ```
  */
  rewriter =
    settings:
    let
      one = rewriteOne settings;
      idle = settings.mirror == { } && settings.override == { } && settings.digests == { };
    in
    {
      one = if idle then image: image else one;
      entries =
        components: entries:
        if idle then
          entries
        else
          map (
            entry:
            let
              declared = if entry.component == null then [ ] else components.${entry.component}.images;
              # Longest first: one image's text may be the beginning of another's.
              candidates = sort (a: b: stringLength a > stringLength b) (
                unique (declared ++ fields entry.object)
              );
              changed = filter (image: one image != image) candidates;
              text = unsafeDiscardStringContext (toJSON entry.object);
            in
            if changed == [ ] then
              entry
            else
              entry
              // {
                object = fromJSON (replaceStrings candidates (map one candidates) text);
              }
          ) entries;
    };

  unmirrored =
    settings: found:
    filter (
      use:
      !(any (prefix: startsWith prefix use.image) (
        attrValues settings.mirror ++ attrValues settings.override
      ))
    ) found;
}
