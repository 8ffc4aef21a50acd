# The user's own pipelines: uploaded by a Job, or as resources. A version is named by a hash of what it is, so that a
# changed pipeline is a new version, and an unchanged one is not touched.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    hashString
    listToAttrs
    map
    readFile
    substring
    toJSON
    ;
  inherit (scope)
    config
    k8s
    images
    namespace
    ;
  yaml = import ../../../lib/render/yaml.nix;

  # The compiler writes the pipeline, and beside it what is particular to Kubernetes.
  pipelines = map (
    name:
    let
      given = config.pipelines.${name};
      spec = given.pipelineSpec or given;
      platform = given.platformSpec or null;
    in
    {
      inherit name spec platform;
      yaml = given.yaml or null;
      version = substring 0 8 (hashString "sha256" (toJSON given));
    }
  ) (attrNames config.pipelines);

  resources = concatMap (pipeline: [
    (k8s.object {
      apiVersion = "pipelines.kubeflow.org/v2beta1";
      kind = "Pipeline";
      inherit (pipeline) name;
      phase = "finish";
      spec.displayName = pipeline.name;
    })
    (k8s.object {
      apiVersion = "pipelines.kubeflow.org/v2beta1";
      kind = "PipelineVersion";
      name = "${pipeline.name}-${pipeline.version}";
      phase = "finish";
      spec = {
        pipelineName = pipeline.name;
        versionName = pipeline.version;
        displayName = pipeline.version;
        pipelineSpec = pipeline.spec;
      }
      // (if pipeline.platform == null then { } else { platformSpec = pipeline.platform; });
    })
  ]) pipelines;

  document =
    pipeline:
    if pipeline.yaml != null then
      pipeline.yaml
    else if pipeline.platform == null then
      yaml.document pipeline.spec
    else
      yaml.stream [
        pipeline.spec
        pipeline.platform
      ];

  upload = [
    (k8s.configMap {
      name = "ml-pipeline-pipelines";
      data = {
        "upload.py" = readFile ./programs/upload.py;
      }
      // listToAttrs (
        map (pipeline: {
          name = "${pipeline.name}.${pipeline.version}.yaml";
          value = document pipeline;
        }) pipelines
      );
    })
    (k8s.job {
      name = "ml-pipeline-pipelines";
      role = "ml-pipeline";
      phase = "finish";
      containers = [
        (shape.unprivileged shape.user {
          name = "upload";
          image = images.tools;
          command = [
            "python3"
            "/pipelines/upload.py"
          ];
          env = {
            API = "${plan.apiScheme}://ml-pipeline.${namespace}.svc.cluster.local:8888";
            PIPELINES = "/pipelines";
            SSL_CERT_FILE = if plan.tls then "${shape.tls.directory}/ca.crt" else null;
          };
          resources = shape.upTo "256Mi";
          mounts = {
            pipelines = {
              mountPath = "/pipelines";
              readOnly = true;
            };
            tmp = "/tmp";
          }
          // shape.tls.mounts;
        })
      ];
      volumes = {
        tmp = { };
        pipelines.configMap.name = "ml-pipeline-pipelines";
      }
      // shape.tls.volumes;
    })
  ];
in
if config.pipelines == { } then
  [ ]
else if plan.customResources then
  resources
else
  upload
