# What is measured. Every case is an expression that `run.py` evaluates with `--eval --strict --json`, on the library in `root`.
{
  root,
  case,
  # How many applications or calls, where the case has a number.
  count ? 1,
}:
let
  inherit (builtins)
    all
    deepSeq
    genList
    isList
    length
    listToAttrs
    toString
    tryEval
    ;

  objects = import ./objects.nix count;
  yaml = import (root + "/lib/render/yaml.nix");
  schema = import (root + "/lib/schema") { };
  checked =
    let
      inherit (schema.forVersion schema.default) accepts explain;
    in
    if all accepts objects then
      objects
    else
      throw "bench: ${builtins.toJSON (builtins.concatMap explain objects)}";

  mlops = import (root + "/lib") { };

  team = number: "team-${toString (number - number / 10 * 10)}";

  store = mlops.mkObjectStore {
    name = "objects";
    namespace = "data";
    buckets = [ "mlflow" ];
  };

  arguments = number: {
    name = "app-${toString number}";
    namespace = team number;
    trackingUri = "https://app-${toString number}.example.com";
    artifactStore = store.buckets.mlflow;
    backend = {
      type = "postgresql";
      host = "postgres.data.svc";
      database = "mlflow";
    };
    auth.enabled = false;
    ui.replicas = 2;
    ui.resources.requests.memory = "2Gi";
    labels.team = team number;
    nodeSelector."kubernetes.io/arch" = "amd64";
  };

  platform = mlops.mkPlatform {
    name = "bench";
    external = [
      "Secret */*"
      "postgres.data.svc"
    ];
    components = {
      objects = store;
    }
    // listToAttrs (
      genList (number: {
        name = "app-${toString number}";
        value = mlops.mkMLflowTracking (arguments number);
      }) count
    );
  };

  mistakes =
    number:
    arguments number
    // {
      trackingURI = "https://app.example.com";
      replicas = 2;
      labels = "team";
      ui = {
        replicas = "two";
        resource.requests.memory = "2Gi";
      };
    };

  # Evaluates completely, and gives nothing to print.
  evaluated = value: if (tryEval (deepSeq value 0)).success then "good" else "refused";

  withoutPrinting = map (value: if isList value then length value else value);
in
{
  nothing = 0;

  # Objects alone.
  inherit objects;
  checkedJson = checked;
  yaml = yaml.stream objects;
  checkedYaml = yaml.stream checked;

  # The library as a whole.
  startUp =
    (mlops.mkMLflowTracking {
      namespace = "ml";
      trackingUri = "http://mlflow.ml.svc:5000";
    }).objects;
  startUpStore = store.objects;
  componentObjects = genList (number: (mlops.mkMLflowTracking (arguments number)).objects) count;
  configs = withoutPrinting (
    genList (number: deepSeq (mlops.mkMLflowTracking (arguments number)).config 0) count
  );
  goodArguments = genList (
    number: evaluated (mlops.mkMLflowTracking (arguments number)).config
  ) count;
  wrongArguments = genList (
    number: evaluated (mlops.mkMLflowTracking (mistakes number)).config
  ) count;
  declaredOptions = length mlops.mkMLflowTracking.reference.options;

  platformObjects = length platform.objects;
  platformJson = platform.objects;
  platformYaml = platform.yaml;
  # What the command line reads: objects, their YAML and everything that is known of them.
  platformSet = platform.set;
}
.${case}
