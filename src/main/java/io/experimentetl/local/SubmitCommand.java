package io.experimentetl.local;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "submit",
    mixinStandardHelpOptions = true,
    description =
        "Submits the job to the running platform: from its latest savepoint or checkpoint, when it has one.")
final class SubmitCommand implements Callable<Integer> {
  @Mixin Etl.Place place;

  @Option(
      names = "--from",
      paramLabel = "PATH",
      description = "the savepoint or checkpoint to start from, instead of the latest")
  String from;

  @Option(
      names = "--fresh",
      description =
          "start without state, from a new snapshot of the tables: empties the warehouse's tables first, and makes a missing or lost replication slot anew, both on servers of our own only")
  boolean fresh;

  @Mixin Etl.Successor successor;

  @Override
  public Integer call() {
    PlatformAddresses platform = place.running();
    JobDeployment deployment = new JobDeployment(platform, place.jobJar());
    Optional<String> state = Optional.empty();
    UnfinishedResync resync = new UnfinishedResync(place.directory());
    if (fresh) {
      resync.abandon(platform.flink());
      deployment.requireNoActiveJob();
      deployment.requireEffectiveConfiguration();
      new FreshStart(platform, place.home(), place.directory()).prepare(System.out);
    } else {
      resync.requireNone();
      state = Optional.ofNullable(from).or(() -> JobDeployment.latestState(place.directory()));
      if (state.isPresent()) {
        deployment.requireMetrics(successor.ending);
      }
    }
    String job = deployment.submit(state, successor.parallelism, List.of());
    System.out.printf(
        "job %s runs%s%n%s/#/job/running/%s/overview%n",
        job, state.map(path -> ", from " + path).orElse(""), platform.flink().url(), job);
    return 0;
  }
}
