{
  summary = "KServe's controller of LLMInferenceServices, which mkKServe { llmisvc.enabled = true; } brings";
  crds = [
    "llminferenceserviceconfigs.serving.kserve.io"
    "llminferenceservices.serving.kserve.io"
  ];
}
