# Changes of the options that modules share, for `changes` of tests/effects.nix.
{
  # Of `common.workload`, and what every module has.
  workload = kind: {
    labels.to = {
      team = "ml";
    };
    annotations.to = {
      "example.com/x" = "y";
    };
    patches.to = [
      {
        target = { inherit kind; };
        patch.spec.minReadySeconds = 5;
      }
    ];
    imagePullSecrets.to = [ "registry" ];
    nodePool = "gpu";
    nodeSelector.to = {
      disk = "ssd";
    };
    tolerations.to = [ { operator = "Exists"; } ];
    affinity.to = {
      nodeAffinity = { };
    };
    topologySpread.to = [
      {
        maxSkew = 1;
        topologyKey = "zone";
        whenUnsatisfiable = "ScheduleAnyway";
      }
    ];
    priorityClassName = "high";
    extraEnv.to = {
      TZ = "UTC";
    };
    extraArgs.to = [ "--extra" ];
    extraVolumes.to = [
      {
        name = "extra";
        mountPath = "/extra";
        volume.emptyDir = { };
      }
    ];
  };

  ingress =
    host:
    let
      route.ingress = { inherit host; };
      tls.ingress = {
        inherit host;
        tls.enabled = true;
      };
      gateway.ingress = {
        inherit host;
        gateway.name = "public";
      };
    in
    {
      "ingress.enabled" = {
        given = route;
        to = false;
      };
      "ingress.host" = host;
      "ingress.path" = {
        given = route;
        to = "/other";
      };
      "ingress.class" = {
        given = route;
        to = "nginx";
      };
      "ingress.annotations" = {
        given = route;
        to = {
          "example.com/x" = "y";
        };
      };
      "ingress.controllerNamespace" = {
        given = route;
        to = "ingress-nginx";
      };
      "ingress.tls.enabled" = {
        given = route;
        to = true;
      };
      "ingress.tls.secretName" = {
        given = tls;
        to = "other-tls";
      };
      "ingress.tls.issuer" = {
        given = tls;
        to = "letsencrypt";
      };
      "ingress.gateway.name" = {
        given = route;
        to = "public";
      };
      "ingress.gateway.namespace" = {
        given = gateway;
        to = "gateways";
      };
      "ingress.gateway.sectionName" = {
        given = gateway;
        to = "https";
      };
    };

  # `given`: what it takes for a monitor to be rendered at all.
  monitoring =
    given:
    let
      monitored = given // {
        monitoring.enabled = true;
      };
    in
    {
      "monitoring.enabled" = {
        inherit given;
        to = true;
      };
      "monitoring.interval" = {
        given = monitored;
        to = "15s";
      };
      "monitoring.labels" = {
        given = monitored;
        to = {
          release = "kps";
        };
      };
    };

  networkPolicy = {
    "networkPolicy.enabled" = false;
    "networkPolicy.allowFrom".to = [ { namespaceSelector = { }; } ];
    "networkPolicy.allowTo".to = [ { ports = [ { port = 8443; } ]; } ];
  };

  resources = path: {
    "${path}.cpu" = "2";
    "${path}.memory" = "900Mi";
    "${path}.requests".to = {
      ephemeral-storage = "1Gi";
    };
    "${path}.limits".to = {
      cpu = "2";
    };
  };
}
