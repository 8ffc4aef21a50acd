# Says what is wrong with an apiVersion and kind that a version of Kubernetes and the known CRDs do not serve.
{
  version,
  history, # apiVersion -> kind -> { since ? ; until ? ; }
  core, # apiVersion -> kind -> …, served by this version
  custom, # apiVersion -> kind -> { served ? true; … }
}:
apiVersion: kind:
let
  inherit (builtins)
    attrNames
    compareVersions
    concatStringsSep
    elemAt
    filter
    foldl'
    head
    mapAttrs
    match
    toString
    ;
  inherit (import ../text/nearest.nix) nearest suggest;

  groupOf =
    name:
    let
      parts = match "(.*)/[^/]*" name;
    in
    if parts == null then "" else head parts;

  nextVersion =
    name:
    let
      parts = match "([0-9]+)\\.([0-9]+)" name;
    in
    "${elemAt parts 0}.${toString (builtins.fromJSON (elemAt parts 1) + 1)}";

  customServed = mapAttrs (_: kinds: removeUnserved kinds) custom;
  removeUnserved =
    kinds:
    builtins.removeAttrs kinds (filter (name: !(kinds.${name}.served or true)) (attrNames kinds));

  served = core // mapAttrs (name: kinds: (core.${name} or { }) // kinds) customServed;
  apiVersionsOf = name: filter (api: served.${api} ? ${name}) (attrNames served);

  # Stable versions first, then beta, then alpha; of equals the newer.
  isStable = api: match ".*v[0-9]+" api != null;
  isBeta = api: match ".*beta[0-9]+" api != null;
  rank =
    api:
    if isStable api then
      2
    else if isBeta api then
      1
    else
      0;
  preferred =
    apis:
    foldl' (
      best: api:
      if
        best == null || rank api > rank best || (rank api == rank best && compareVersions api best > 0)
      then
        api
      else
        best
    ) null apis;

  elsewhere = apiVersionsOf kind;
  sameGroup = filter (api: groupOf api == groupOf apiVersion) elsewhere;
  # What moved keeps its name: extensions/v1beta1 Ingress is networking.k8s.io/v1 Ingress.
  useInstead =
    let
      apis = if sameGroup != [ ] then sameGroup else elsewhere;
    in
    if apis == [ ] then "" else "; use ${preferred apis}";

  span = history.${apiVersion}.${kind} or null;
  name = "${apiVersion} ${kind}";
  notServed = "${name} is not served by Kubernetes ${version}";

  allKinds = attrNames (foldl' (all: api: all // served.${api}) { } (attrNames served));
  nearKind = nearest kind allKinds;
in
if span ? until && compareVersions span.until version < 0 then
  "${notServed}; removed in ${nextVersion span.until}${useInstead}"
else if span ? since && compareVersions span.since version > 0 then
  "${notServed}; added in ${span.since}${useInstead}"
else if custom ? ${apiVersion} && custom.${apiVersion} ? ${kind} then
  "${name} is not served any more by its CRD${useInstead}"
else if elsewhere != [ ] then
  "${name} is not known; ${kind} is in ${concatStringsSep ", " elsewhere}"
else if served ? ${apiVersion} && nearest kind (attrNames served.${apiVersion}) != null then
  "${name} is not known${suggest kind (attrNames served.${apiVersion})}"
else if nearKind != null then
  "${name} is not known; did you mean ${preferred (apiVersionsOf nearKind)} ${nearKind}?"
else if served ? ${apiVersion} then
  "${name} is not known; ${apiVersion} has ${concatStringsSep ", " (attrNames served.${apiVersion})}"
else
  "${name} is not known: no kind of Kubernetes ${version} and none of the known CRDs${suggest apiVersion (attrNames served)}"
