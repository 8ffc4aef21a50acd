# What lib/schema says about every object of a file: the predicate, and whether the explanation agrees with it.
{ file, version }:
let
  schema = (import ../../../lib/schema { }).forVersion version;
in
map (
  object:
  let
    problems = schema.explain object;
  in
  {
    accepts = schema.accepts object;
    # `explain` asks `accepts` first; here it must find something whenever that said no.
    inherit problems;
  }
) (builtins.fromJSON (builtins.readFile file))
