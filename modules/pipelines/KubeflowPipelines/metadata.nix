# ML Metadata: the store of artifacts and executions, the proxy that browsers reach it by, the writer of v1's records.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope)
    config
    k8s
    images
    namespace
    ;
  inherit (shape) install rights rule;
  yaml = import ../../../lib/render/yaml.nix;

  certificates = shape.tls.directory;
  api = "type.googleapis.com/envoy";
  filter = "${api}.extensions.filters.http";

  envoy = {
    admin = {
      access_log = {
        name = "admin_access";
        typed_config = {
          "@type" = "${api}.extensions.access_loggers.file.v3.FileAccessLog";
          path = "/tmp/admin_access.log";
        };
      };
      address.socket_address = {
        address = "0.0.0.0";
        port_value = 9901;
      };
    };
    static_resources = {
      listeners = [
        {
          name = "listener_0";
          address.socket_address = {
            address = "0.0.0.0";
            port_value = 9090;
          };
          filter_chains = [
            (
              {
                filters = [
                  {
                    name = "envoy.filters.network.http_connection_manager";
                    typed_config = {
                      "@type" = "${api}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
                      codec_type = "auto";
                      stat_prefix = "ingress_http";
                      route_config = {
                        name = "local_route";
                        virtual_hosts = [
                          {
                            name = "local_service";
                            domains = [ "*" ];
                            routes = [
                              {
                                match.prefix = "/";
                                route = {
                                  cluster = "metadata-cluster";
                                  max_stream_duration.grpc_timeout_header_max = "0s";
                                };
                                typed_per_filter_config."envoy.filter.http.cors" = {
                                  "@type" = "${filter}.cors.v3.CorsPolicy";
                                  allow_origin_string_match = [ { safe_regex.regex = ".*"; } ];
                                  allow_methods = "GET, PUT, DELETE, POST, OPTIONS";
                                  allow_headers = "keep-alive,user-agent,cache-control,content-type,content-transfer-encoding,custom-header-1,x-accept-content-transfer-encoding,x-accept-response-streaming,x-user-agent,x-grpc-web,grpc-timeout";
                                  max_age = "1728000";
                                  expose_headers = "custom-header-1,grpc-status,grpc-message";
                                };
                              }
                            ];
                          }
                        ];
                      };
                      http_filters = [
                        {
                          name = "envoy.filters.http.grpc_web";
                          typed_config."@type" = "${filter}.grpc_web.v3.GrpcWeb";
                        }
                        {
                          name = "envoy.filters.http.cors";
                          typed_config."@type" = "${filter}.cors.v3.Cors";
                        }
                        {
                          name = "envoy.filters.http.router";
                          typed_config."@type" = "${filter}.router.v3.Router";
                        }
                      ];
                    };
                  }
                ];
              }
              // (
                if plan.tls then
                  {
                    transport_socket = {
                      name = "envoy.transport_sockets.tls";
                      typed_config = {
                        "@type" = "${api}.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
                        common_tls_context = {
                          tls_certificates = [
                            {
                              certificate_chain.filename = "${certificates}/tls.crt";
                              private_key.filename = "${certificates}/tls.key";
                            }
                          ];
                          alpn_protocols = [
                            "h2"
                            "http/1.1"
                          ];
                        };
                        require_client_certificate = false;
                      };
                    };
                  }
                else
                  { }
              )
            )
          ];
        }
      ];
      clusters = [
        (
          {
            name = "metadata-cluster";
            connect_timeout = "30.0s";
            type = "logical_dns";
            typed_extension_protocol_options."envoy.extensions.upstreams.http.v3.HttpProtocolOptions" = {
              "@type" = "${api}.extensions.upstreams.http.v3.HttpProtocolOptions";
              explicit_http_config.http2_protocol_options = { };
            };
            lb_policy = "round_robin";
            load_assignment = {
              cluster_name = "metadata-grpc";
              endpoints = [
                {
                  lb_endpoints = [
                    {
                      endpoint.address.socket_address = {
                        address = "metadata-grpc-service";
                        port_value = 8080;
                      };
                    }
                  ];
                }
              ];
            };
          }
          // (
            if plan.tls then
              {
                transport_socket = {
                  name = "envoy.transport_sockets.tls";
                  typed_config = {
                    "@type" = "${api}.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
                    sni = "metadata-grpc-service.${namespace}.svc";
                    common_tls_context.validation_context.trusted_ca.filename = "${certificates}/ca.crt";
                  };
                };
              }
            else
              { }
          )
        )
      ];
    };
  };

  databaseEnv = {
    DBCONFIG_USER = shape.database.user;
    DBCONFIG_PASSWORD = shape.database.password;
    MYSQL_DATABASE = install "mlmdDb";
    MYSQL_HOST = install "mysqlHost";
    MYSQL_PORT = install "mysqlPort";
  };

  # With TLS the store reads all of its settings from one file, the certificate among them.
  tlsConfiguration = ''
    umask 077
    quoted() { awk '{ printf "%s\\n", $0 }' "$1"; }
    cat > /etc/grpc/config.proto <<EOF
    connection_config {
      mysql {
        host: "$MYSQL_HOST"
        port: $MYSQL_PORT
        database: "$MYSQL_DATABASE"
        user: "$DBCONFIG_USER"
        password: "$DBCONFIG_PASSWORD"
      }
    }
    ssl_config {
      server_key: "$(quoted ${certificates}/tls.key)"
      server_cert: "$(quoted ${certificates}/tls.crt)"
      custom_ca: "$(quoted ${certificates}/ca.crt)"
      client_verify: false
    }
    EOF
  '';
  channel = "--grpc_channel_arguments=grpc.max_metadata_size=16384,grpc.max_receive_message_length=104857600,grpc.max_send_message_length=104857600";

  probe = {
    port = "grpc-api";
    initialDelaySeconds = 3;
    periodSeconds = 5;
    timeoutSeconds = 2;
  };

  # Browsers speak gRPC-web to it; without an interface nobody does.
  proxy = [
    (k8s.configMap {
      name = "metadata-envoy-configmap";
      data."envoy-config.yaml" = yaml.document envoy;
    })
    (k8s.service {
      name = "metadata-envoy-service";
      role = "ml-pipeline";
      selector = shape.component "metadata-envoy";
      ports = [
        (
          {
            name = if plan.tls then "tls" else "md-envoy";
            port = 9090;
            protocol = "TCP";
          }
          // (if plan.tls then { appProtocol = "https"; } else { })
        )
      ];
    })
    (shape.deployment {
      name = "metadata-envoy-deployment";
      app.component = "metadata-envoy";
      podLabels."sidecar.istio.io/inject" = "false";
      containers = [
        {
          name = "container";
          image = images.metadata-envoy;
          args = [ "/etc/envoy/envoy-config.yaml" ];
          ports = {
            md-envoy = 9090;
            envoy-admin = 9901;
          };
          readiness = k8s.tcpProbe { port = "md-envoy"; };
          liveness = k8s.tcpProbe { port = "md-envoy"; };
          resources = shape.small;
          mounts = {
            envoy-config = "/etc/envoy";
            tmp = "/tmp";
          }
          // shape.tls.mounts;
        }
      ];
      volumes = {
        tmp = { };
        envoy-config.configMap.name = "metadata-envoy-configmap";
      }
      // shape.tls.volumes;
    })
  ];

  writerRules = [
    (rule "" [ "pods" ] rights.edit)
    (rule "" [ "configmaps" ] [ "get" ])
    (rule "argoproj.io" [ "workflows" ] rights.edit)
  ];
in
shape.identity {
  account = "kubeflow-pipelines-metadata-writer";
  role = "kubeflow-pipelines-metadata-writer-role";
  binding = "kubeflow-pipelines-metadata-writer-binding";
  rules = writerRules;
  clusterRules = writerRules;
}
++ [
  (k8s.serviceAccount { name = "metadata-grpc-server"; })
  (k8s.configMap {
    name = "metadata-grpc-configmap";
    data = {
      METADATA_GRPC_SERVICE_HOST = "metadata-grpc-service";
      METADATA_GRPC_SERVICE_PORT = "8080";
    };
  })
  (k8s.service {
    name = "metadata-grpc-service";
    role = "ml-pipeline";
    selector = shape.component "metadata-grpc-server";
    ports = [
      {
        name = "grpc-api";
        port = 8080;
        protocol = "TCP";
      }
    ];
  })
  (shape.deployment {
    name = "metadata-grpc-deployment";
    app.component = "metadata-grpc-server";
    serviceAccount = "metadata-grpc-server";
    initContainers = [
      (shape.waitFor "database" (install "mysqlHost") (install "mysqlPort"))
    ]
    ++ (
      if plan.tls then
        [
          (shape.unprivileged shape.user {
            name = "configuration";
            image = images.wait;
            command = [
              "/bin/sh"
              "-ec"
            ];
            args = [ tlsConfiguration ];
            env = databaseEnv;
            resources = {
              requests = {
                cpu = "10m";
                memory = "16Mi";
              };
              limits.memory = "64Mi";
            };
            mounts = {
              grpc-tls-config = "/etc/grpc";
            }
            // shape.tls.mounts;
          })
        ]
      else
        [ ]
    );
    containers = [
      {
        name = "container";
        image = images.metadata-store;
        command = [ "/bin/metadata_store_server" ];
        args = [
          "--grpc_port=8080"
        ]
        ++ (
          if plan.tls then
            [ "--metadata_store_server_config_file=/etc/grpc/config.proto" ]
          else
            [
              "--mysql_config_database=$(MYSQL_DATABASE)"
              "--mysql_config_host=$(MYSQL_HOST)"
              "--mysql_config_port=$(MYSQL_PORT)"
              "--mysql_config_user=$(DBCONFIG_USER)"
              "--mysql_config_password=$(DBCONFIG_PASSWORD)"
            ]
        )
        ++ [
          "--enable_database_upgrade=true"
          channel
        ];
        env = if plan.tls then { } else databaseEnv;
        ports.grpc-api = 8080;
        liveness = k8s.tcpProbe probe;
        readiness = k8s.tcpProbe probe;
        resources = shape.small;
        mounts = {
          tmp = "/tmp";
        }
        // (if plan.tls then { grpc-tls-config = "/etc/grpc"; } else { });
      }
    ];
    volumes = {
      tmp = { };
    }
    // (if plan.tls then { grpc-tls-config.emptyDir.medium = "Memory"; } else { })
    // shape.tls.volumes;
  })
  (shape.deployment {
    name = "metadata-writer";
    apiAccess = true;
    serviceAccount = "kubeflow-pipelines-metadata-writer";
    initContainers = [ (shape.waitFor "metadata-grpc" "metadata-grpc-service" "8080") ];
    containers = [
      {
        name = "main";
        image = images.metadata-writer;
        env = {
          NAMESPACE_TO_WATCH = shape.watched;
          # Where the store is; the program assumes the namespace kubeflow.
          POD_NAMESPACE = k8s.field "metadata.namespace";
        }
        // (
          if plan.tls then
            {
              METADATA_TLS_ENABLED = "true";
              CA_CERT_PATH = "${certificates}/ca.crt";
            }
          else
            { }
        );
        resources = shape.small;
        mounts = {
          tmp = "/tmp";
        }
        // shape.tls.mounts;
      }
    ];
    volumes = {
      tmp = { };
    }
    // shape.tls.volumes;
  })
]
++ (if config.ui.enabled then proxy else [ ])
