# ConfigMap inferenceservice-config: what KServe ships, and the names that it knows beside. KServe reads numbers and
# switches as text in several keys, so the type of each shipped value is part of its meaning.
# Source: kserve/kserve v0.20.0, config/configmap.
{ images }:
let
  split =
    image:
    let
      parts = builtins.match "(.*):([^:/]+)" image;
    in
    {
      image = builtins.elemAt parts 0;
      defaultImageVersion = builtins.elemAt parts 1;
    };
  agent = {
    image = images.agent;
    memoryRequest = "100Mi";
    memoryLimit = "1Gi";
    cpuRequest = "100m";
    cpuLimit = "1";
  };
in
{
  shipped = {
    inherit agent;
    autoscaler = {
      scaleUpStabilizationWindowSeconds = "0";
      scaleDownStabilizationWindowSeconds = "300";
    };
    batcher = {
      image = images.agent;
      memoryRequest = "1Gi";
      memoryLimit = "1Gi";
      cpuRequest = "1";
      cpuLimit = "1";
      maxBatchSize = "32";
      maxLatency = "5000";
    };
    credentials = {
      storageSpecSecretName = "storage-config";
      storageSecretNameAnnotation = "serving.kserve.io/storageSecretName";
      gcs.gcsCredentialFileName = "gcloud-application-credentials.json";
      s3 = {
        s3AccessKeyIDName = "AWS_ACCESS_KEY_ID";
        s3SecretAccessKeyName = "AWS_SECRET_ACCESS_KEY";
        s3Endpoint = "";
        s3UseHttps = "";
        s3Region = "";
        s3VerifySSL = "";
        s3UseVirtualBucket = "";
        s3UseAccelerate = "";
        s3UseAnonymousCredential = "";
        s3CABundleConfigMap = "";
        s3CABundle = "";
      };
    };
    deploy.defaultDeploymentMode = "Serverless";
    explainers.art = split images.artExplainer;
    inferenceService.resource = {
      cpuLimit = "1";
      memoryLimit = "2Gi";
      cpuRequest = "1";
      memoryRequest = "2Gi";
    };
    ingress = {
      enableGatewayApi = false;
      kserveIngressGateway = "kserve/kserve-ingress-gateway";
      ingressGateway = "knative-serving/knative-ingress-gateway";
      localGateway = "knative-serving/knative-local-gateway";
      localGatewayService = "knative-local-gateway.istio-system.svc.cluster.local";
      ingressDomain = "example.com";
      ingressClassName = "istio";
      domainTemplate = "{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}";
      urlScheme = "http";
      disableIstioVirtualHost = false;
      disableIngressCreation = false;
      disableHTTPRouteTimeout = false;
    };
    localModel = {
      enabled = false;
      jobNamespace = "kserve-localmodel-jobs";
      defaultJobImage = images.storageInitializer;
      fsGroup = 1000;
      jobTTLSecondsAfterFinished = 3600;
      reconcilationFrequencyInSecs = 60;
      disableVolumeManagement = false;
    };
    logger = agent // {
      defaultUrl = "http://default-broker";
    };
    metricsAggregator = {
      enableMetricAggregation = "false";
      enablePrometheusScraping = "false";
    };
    opentelemetryCollector = {
      scrapeInterval = "5s";
      metricReceiverEndpoint = "keda-otel-scaler.keda.svc:4317";
      metricScalerEndpoint = "keda-otel-scaler.keda.svc:4318";
      resource = {
        cpuLimit = "1";
        memoryLimit = "2Gi";
        cpuRequest = "200m";
        memoryRequest = "512Mi";
      };
    };
    router = {
      image = images.router;
      memoryRequest = "100Mi";
      memoryLimit = "1Gi";
      cpuRequest = "100m";
      cpuLimit = "1";
      imagePullPolicy = "IfNotPresent";
    };
    security.autoMountServiceAccountToken = true;
    storageInitializer = {
      image = images.storageInitializer;
      memoryRequest = "100Mi";
      memoryLimit = "1Gi";
      cpuRequest = "100m";
      cpuLimit = "1";
      caBundleConfigMapName = "";
      caBundleVolumeMountPath = "/etc/ssl/custom-certs";
      enableModelcar = true;
      cpuModelcar = "10m";
      memoryModelcar = "15Mi";
      uidModelcar = 1010;
    };
  };

  # Names that KServe reads and does not ship, each with a value of its type.
  optional = {
    deploy.deploymentRolloutStrategy = { };
    inferenceService = {
      serviceAnnotationDisallowedList = [ ];
      serviceLabelDisallowedList = [ ];
    };
    ingress = {
      additionalIngressDomains = [ ];
      pathTemplate = "";
      knativeLocalGatewayService = "";
      enableLLMInferenceServiceTLS = false;
      modelBasedRoutingHeaderName = "";
      modelBasedRoutingMode = "";
    };
    multiNode.customGPUResourceTypeList = [ ];
    router = {
      headers = { };
      imagePullSecrets = [ ];
    };
    service.serviceClusterIPNone = false;
    storageInitializer = {
      enableOciModelSupport = false;
      ociModelMode = "";
    };
  };
}
