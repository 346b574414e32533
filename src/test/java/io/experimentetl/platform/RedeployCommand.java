package io.experimentetl.platform;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "redeploy",
    mixinStandardHelpOptions = true,
    description =
        "Stops the running job with a savepoint and submits the jar as it is built now from it.")
final class RedeployCommand implements Callable<Integer> {
  @Mixin Etl.Place place;

  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  int parallelism;

  @Option(
      names = "--end",
      paramLabel = "METRIC",
      description =
          "a metric that the configuration does not name any more, and that is to end for good; may be repeated")
  List<String> ending = List.of();

  @Override
  public Integer call() {
    PlatformAddresses platform = place.running();
    new UnfinishedResync(place.directory()).requireNone();
    JobDeployment deployment = new JobDeployment(platform, place.jobJar());
    deployment.requireSuccessor(parallelism, ending);
    String savepoint = deployment.stop();
    System.out.println("savepoint " + savepoint);
    try {
      String job = deployment.submit(Optional.of(savepoint), parallelism, List.of());
      System.out.printf("job %s runs from it%n", job);
      return 0;
    } catch (PlatformException e) {
      throw new PlatformException(
          "the new job does not run: %s%n%s"
              .formatted(e.getMessage(), deployment.goBack(savepoint, parallelism)),
          e);
    }
  }
}
