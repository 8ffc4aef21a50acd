{
  summary = "KServe, the operator of InferenceServices";
  builder = "mkKServe";
}
