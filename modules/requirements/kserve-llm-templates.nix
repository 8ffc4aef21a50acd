{
  summary = "KServe's own LLMInferenceServiceConfigs (namespace kserve), which its controller merges into every LLMInferenceService";
  version = "v0.20.0";
  url = "https://raw.githubusercontent.com/kserve/kserve/1fb781055dd1567164358233e1125142ca6ef1fe/charts/kserve-runtime-configs/files/llmisvcconfigs/resources.yaml";
  sha256 = "20cc219f104ceeaeacab87ed98f60d7576f296ec053eaddc75667b81871a43cb";
  crds = [ ];
}
