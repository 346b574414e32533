package io.experimentetl.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.StatisticsConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "restate",
    mixinStandardHelpOptions = true,
    description = {
      "Counts a metric of the job's configuration for users first exposed on or after a day, from the raw rows in ClickHouse:",
      "writes since into the configuration, stops the job with a savepoint and submits the jar as it is built now from it. The",
      "metric may be new, have counted from a later day on, or be defined anew; other metrics and their days stay as they are, and",
      "the configuration must name them too."
    })
final class RestateCommand implements Callable<Integer> {
  private static final Duration RECOUNTING = Duration.ofHours(6);

  @Mixin Etl.Place place;

  @Option(
      names = "--metric",
      paramLabel = "M",
      required = true,
      description = "its name in statistics.metrics")
  String metric;

  @Option(
      names = "--from",
      paramLabel = "D",
      required = true,
      description = "a day such as 2026-12-01, in each experiment's zone")
  LocalDate from;

  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  int parallelism;

  @Override
  public Integer call() {
    PlatformAddresses platform = place.running();
    new UnfinishedResync(place.directory()).requireNone();
    JobDeployment deployment = new JobDeployment(platform, place.jobJar());
    deployment.requireSuccessor(parallelism, List.of());
    Path config = platform.jobConfig();
    Path before = config.resolveSibling("job-before-restate.yaml");
    Path draft = config.resolveSibling("job-restate.yaml");
    try {
      platform
          .withJobConfig(
              draft, root -> setSince(root, metric, from, platform.loadJobConfig().statistics()))
          .loadJobConfig();
      String savepoint = deployment.stop();
      System.out.println("savepoint " + savepoint);
      Files.copy(config, before, StandardCopyOption.REPLACE_EXISTING);
      Files.move(draft, config, StandardCopyOption.ATOMIC_MOVE);
      try {
        String job =
            deployment.submit(
                Optional.of(savepoint), parallelism, List.of("--restate", metric), RECOUNTING);
        System.out.printf(
            "job %s runs from it; %s counts users first exposed on or after %s%n%s says so now: where you keep the job's configuration, set since there too, for the next ./etl up --job-config%n",
            job, metric, from, config);
        return 0;
      } catch (PlatformException e) {
        Files.move(before, config, StandardCopyOption.REPLACE_EXISTING);
        throw new PlatformException(
            "nothing was restated, and %s is as it was: %s%n%s"
                .formatted(config, e.getMessage(), deployment.goBack(savepoint, parallelism)),
            e);
      }
    } catch (InvalidConfigurationException e) {
      throw new PlatformException(e.getMessage(), e);
    } catch (IOException e) {
      throw new PlatformException(
          "the job's configuration " + config + " can't be changed: " + e, e);
    } finally {
      DownloadCache.deleteRecursively(draft);
    }
  }

  /**
   * Sets since of a metric.
   *
   * @param effective what is counted with this configuration, the defaults included
   * @throws PlatformException saying that the configuration has no such metric, or only by default
   */
  static void setSince(ObjectNode root, String metric, LocalDate from, StatisticsConfig effective) {
    for (JsonNode candidate : root.path("statistics").path("metrics")) {
      if (candidate.path("name").asText().equals(metric)) {
        ((ObjectNode) candidate).put("since", from.toString());
        return;
      }
    }
    boolean defaultValue =
        effective.metrics().stream().anyMatch(counted -> counted.name().equals(metric));
    throw new PlatformException(
        defaultValue
            ? "metric %s is one of those that are counted by default, for all users from the first: nothing is left to restate. To define it anew, write all metrics that are counted into statistics.metrics of the job's configuration, and run this again"
                .formatted(metric)
            : "statistics.metrics of the job's configuration has no metric %s: add it there, with all metrics that are counted, and run this again"
                .formatted(metric));
  }
}
