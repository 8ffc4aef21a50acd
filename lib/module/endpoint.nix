# Endpoints: how a component is reached, as a value that other components take.
{
  /**
    An endpoint: what `component.endpoints.<name>` is.

    # Inputs

    `protocol`: the word by which options accept it (`sql`, `s3`, `bucket`, `http`, …)
    `service`, `namespace`, `port`: where it is
    `scheme`: of its URL; `path`: appended to it
    `podLabels`: labels of the pods behind the Service
    `through`: namespaces of gateways that calls go through, where they do not go straight to those pods
    everything else is the endpoint's own: credentials, database, bucket

    # Type

    ```
    make :: AttrSet -> Endpoint
    ```
  */
  make =
    {
      name,
      component,
      namespace,
      service,
      port,
      protocol,
      scheme ? "http",
      path ? "",
      host ? "${service}.${namespace}.svc",
      targetPort ? port,
      ...
    }@data:
    data
    // {
      _type = "endpoint";
      inherit
        scheme
        path
        host
        targetPort
        ;
      url = data.url or "${scheme}://${host}:${toString port}${path}";
    };
}
