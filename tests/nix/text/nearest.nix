let
  inherit (import ../../../lib/text/nearest.nix) nearest suggest;

  containerFields = [
    "args"
    "command"
    "env"
    "envFrom"
    "image"
    "imagePullPolicy"
    "name"
    "ports"
    "readinessProbe"
    "resources"
    "volumeMounts"
    "workingDir"
  ];
in
{
  testDroppedLetter = {
    expr = nearest "imge" containerFields;
    expected = "image";
  };
  testAddedLetter = {
    expr = nearest "ressources" containerFields;
    expected = "resources";
  };
  testWrongLetter = {
    expr = nearest "workingDor" containerFields;
    expected = "workingDir";
  };
  testSwappedNeighboursAreOneEdit = {
    expr = nearest "nmae" containerFields;
    expected = "name";
  };
  testSeveralEditsInALongName = {
    expr = nearest "readynesProbe" containerFields;
    expected = "readinessProbe";
  };
  testCaseOnly = {
    expr = nearest "envfrom" containerFields;
    expected = "envFrom";
  };
  testUnderscores = {
    expr = nearest "volume_mounts" containerFields;
    expected = "volumeMounts";
  };
  testHyphens = {
    expr = nearest "image-pull-policy" containerFields;
    expected = "imagePullPolicy";
  };
  testCaseOnlyWinsOverFewerLetters = {
    expr = nearest "ENV_FROM" [
      "envFrm"
      "envFrom"
    ];
    expected = "envFrom";
  };
  testExactNameIsItself = {
    expr = nearest "env" containerFields;
    expected = "env";
  };
  testFewestEditsWin = {
    expr = nearest "minReplcas" [
      "maxReplicas"
      "minReplicas"
    ];
    expected = "minReplicas";
  };
  testEqualEditsLongerStartWins = {
    expr = nearest "storge" [
      "forge"
      "storage"
    ];
    expected = "storage";
  };
  testShorterStart = {
    expr = nearest "replicaCount" [
      "image"
      "replica"
    ];
    expected = "replica";
  };
  testLongerContinuation = {
    expr = nearest "vol" containerFields;
    expected = "volumeMounts";
  };
  testNothingNear = {
    expr = nearest "sidecars" containerFields;
    expected = null;
  };
  testHalfOfAShortNameIsNotNear = {
    expr = nearest "host" [ "port" ];
    expected = null;
  };
  testNoNames = {
    expr = nearest "image" [ ];
    expected = null;
  };
  testEmptyName = {
    expr = nearest "" [ "a" ];
    expected = null;
  };
  testSuggest = {
    expr = suggest "imge" containerFields;
    expected = "; did you mean image?";
  };
  testSuggestNothing = {
    expr = suggest "sidecars" containerFields;
    expected = "";
  };
  # The filter must keep the edit distance away from names that cannot be near: the cost is
  # bounded by what `nearest` looks at, which this list of 2,000 would make visible as minutes.
  testManyNames = {
    expr = nearest "name1x77" (builtins.genList (index: "name${toString (index + 1000)}") 2000);
    expected = "name1077";
  };
}
