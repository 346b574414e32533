package io.experimentetl.local;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.JobDeployment;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.StatusCommand;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "down",
    mixinStandardHelpOptions = true,
    description =
        "Stops the job with a savepoint, and all servers. Their data stays; the next up and submit continue from there.")
final class DownCommand implements Callable<Integer> {
  private static final Duration DEADLINE = Duration.ofSeconds(90);

  @Mixin Place place;

  @Option(
      names = "--now",
      description = "leave out the savepoint; submit continues from the last checkpoint")
  boolean now;

  @Option(names = "--delete", description = "delete all data, logs and state of the platform too")
  boolean delete;

  @Override
  public Integer call() throws ExecutionException, InterruptedException {
    Optional<ProcessHandle> supervisor = PlatformAddresses.supervisor(place.directory());
    if (supervisor.isPresent()) {
      if (!now && !delete) {
        saveJob();
      }
      ProcessHandle process = supervisor.get();
      process.destroy();
      try {
        process.onExit().get(DEADLINE.toSeconds(), TimeUnit.SECONDS);
      } catch (TimeoutException e) {
        process.destroyForcibly();
        process.onExit().get();
        System.out.println(
            "the supervisor did not end in time and was killed, and its servers with it");
      }
      System.out.println("stopped");
    } else {
      System.out.println("no platform runs in " + place.directory());
    }
    if (delete) {
      DownloadCache.deleteRecursively(place.directory());
      System.out.println("deleted " + place.directory());
    }
    return 0;
  }

  /**
   * Takes a savepoint. A failure does not keep the servers running: the job can continue from its
   * last checkpoint too.
   */
  private void saveJob() {
    try {
      PlatformAddresses platform = place.running();
      List<String> dead = platform.deadServers();
      if (!dead.isEmpty()) {
        // A savepoint would wait for them.
        throw new PlatformException(String.join("; ", dead));
      }
      Optional<FlinkEndpoint.Job> job = platform.flink().activeJob(ExperimentEtlJob.NAME);
      Optional<String> trouble = job.flatMap(one -> StatusCommand.trouble(platform.flink(), one));
      if (trouble.isPresent()) {
        throw new PlatformException("the job is " + trouble.get());
      }
      if (job.isPresent()) {
        System.out.println(
            "savepoint "
                + new JobDeployment(platform.deployment(place.jobJar()), line -> {}).stop());
      }
    } catch (OperationsException e) {
      System.out.println(
          "no savepoint, the next submit continues from the last checkpoint: " + e.getMessage());
    }
  }
}
