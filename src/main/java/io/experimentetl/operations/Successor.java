package io.experimentetl.operations;

import java.util.List;
import picocli.CommandLine.Option;

/** How a job follows the one before it; a picocli mixin. */
final class Successor {
  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  int parallelism;

  @Option(
      names = "--end",
      paramLabel = "METRIC",
      description =
          "a metric that the configuration no longer names and that must end permanently; may be repeated")
  List<String> ending = List.of();
}
