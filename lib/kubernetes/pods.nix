# Where pods hide in objects, and how to reach them.
let
  inherit (builtins) map;

  workloads = {
    Deployment = true;
    StatefulSet = true;
    DaemonSet = true;
    ReplicaSet = true;
    Job = true;
  };
in
{
  /**
    The pod template of an object (`{ metadata ?; spec; }`), or null where it has none.

    # Type

    ```
    templateOf :: Object -> PodTemplate | null
    ```
  */
  templateOf =
    object:
    if workloads ? ${object.kind} then
      object.spec.template or null
    else if object.kind == "CronJob" then
      object.spec.jobTemplate.spec.template or null
    else if object.kind == "Pod" then
      {
        inherit (object) metadata;
        spec = object.spec or { };
      }
    else
      null;

  /**
    An object with its pod template changed.

    # Type

    ```
    mapTemplate :: (PodTemplate -> PodTemplate) -> Object -> Object
    ```
  */
  mapTemplate =
    f: object:
    if workloads ? ${object.kind} then
      object
      // {
        spec = object.spec // {
          template = f object.spec.template;
        };
      }
    else if object.kind == "CronJob" then
      object
      // {
        spec = object.spec // {
          jobTemplate = object.spec.jobTemplate // {
            spec = object.spec.jobTemplate.spec // {
              template = f object.spec.jobTemplate.spec.template;
            };
          };
        };
      }
    else if object.kind == "Pod" then
      object // f { inherit (object) metadata spec; }
    else
      object;

  /**
    All containers of a pod specification, those that run first in front.

    # Type

    ```
    containersOf :: PodSpec -> [Container]
    ```
  */
  containersOf = spec: (spec.initContainers or [ ]) ++ (spec.containers or [ ]);

  /**
    A pod specification with each of its containers changed.

    # Type

    ```
    mapContainers :: (Container -> Container) -> PodSpec -> PodSpec
    ```
  */
  mapContainers =
    f: spec:
    spec
    // (if spec ? containers then { containers = map f spec.containers; } else { })
    // (if spec ? initContainers then { initContainers = map f spec.initContainers; } else { });
}
