package io.experimentetl.local;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.JobDeployment;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.StatusLook;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
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
      System.out.println(delete(place.directory()));
    }
    return 0;
  }

  /** A mount point stays, emptied: it cannot be removed. */
  static String delete(Path directory) {
    if (!Files.exists(directory)) {
      return directory + " does not exist";
    }
    try (Stream<Path> content = Files.list(directory)) {
      content.forEach(DownloadCache::deleteRecursively);
      Files.delete(directory);
      return "deleted " + directory;
    } catch (DirectoryNotEmptyException e) {
      throw new PlatformException(
          directory + " got new files while it was deleted: run this again", e);
    } catch (FileSystemException e) {
      return "emptied %s, which itself cannot be removed: it is a mount point, or its parent is not writable"
          .formatted(directory);
    } catch (IOException e) {
      throw new PlatformException(directory + " cannot be deleted: " + e, e);
    }
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
      Optional<String> trouble = job.flatMap(one -> StatusLook.trouble(platform.flink(), one));
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
