package io.experimentetl.local;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "redeploy",
    mixinStandardHelpOptions = true,
    description =
        "Stops the running job with a savepoint and submits the jar as it is built now from it.")
final class RedeployCommand implements Callable<Integer> {
  @Mixin Etl.Place place;

  @Mixin Etl.Successor successor;

  @Override
  public Integer call() {
    PlatformAddresses platform = place.running();
    new UnfinishedResync(place.directory()).requireNone();
    JobDeployment deployment = new JobDeployment(platform, place.jobJar());
    deployment.requireSuccessor(successor.parallelism, successor.ending);
    String savepoint = deployment.stop();
    System.out.println("savepoint " + savepoint);
    try {
      String job = deployment.submit(Optional.of(savepoint), successor.parallelism, List.of());
      System.out.printf("job %s runs from it%n", job);
      return 0;
    } catch (PlatformException e) {
      throw new PlatformException(
          "the new job does not run: %s%n%s"
              .formatted(e.getMessage(), deployment.goBack(savepoint, successor.parallelism)),
          e);
    }
  }
}
