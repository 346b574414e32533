package io.experimentetl.platform;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "up",
    mixinStandardHelpOptions = true,
    description =
        "Starts PostgreSQL, ClickHouse, Kafka and a Flink cluster, applies the SQL, and leaves them running.")
final class UpCommand implements Callable<Integer> {
  private static final Duration DEADLINE = Duration.ofMinutes(12);

  @Mixin Etl.Place place;

  // Parsed here only for their errors and the help; the supervisor reads the same words again.
  @Mixin PlatformOptions options;

  @Spec CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    Path directory = place.directory();
    Optional<PlatformAddresses> running = PlatformAddresses.read(directory);
    if (running.isPresent()) {
      System.out.println("running already");
      print(running.get());
      return 0;
    }
    // Fetched in the foreground: it may take a while, and it says so.
    if (options.clickHouse().isEmpty()) {
      DownloadCache.clickHouseLibrary();
    }
    options.postgres();
    Path log = directory.resolve("supervisor.log");
    Files.createDirectories(directory);
    Files.deleteIfExists(log);
    List<String> line =
        new ArrayList<>(
            List.of(
                "setsid",
                JavaCommand.java(),
                "-Xmx256m",
                "-Detl.home=" + place.home(),
                "-cp",
                System.getProperty("java.class.path"),
                Etl.class.getName(),
                SuperviseCommand.NAME));
    List<String> words = spec.commandLine().getParseResult().originalArgs();
    line.addAll(words.subList(words.indexOf("up") + 1, words.size()));
    Process supervisor =
        new ProcessBuilder(line)
            .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (System.nanoTime() < end) {
      Optional<PlatformAddresses> started = PlatformAddresses.read(directory);
      if (started.isPresent()) {
        print(started.get());
        return 0;
      }
      if (!supervisor.isAlive()) {
        throw new PlatformException("the platform did not start:\n" + ServerProcess.logTail(log));
      }
      ServerProcess.pause(Duration.ofMillis(100));
    }
    supervisor.destroy();
    throw new PlatformException(
        "the platform did not start within %d min; see %s".formatted(DEADLINE.toMinutes(), log));
  }

  static void print(PlatformAddresses platform) {
    System.out.printf("Flink web UI     %s%n", platform.flink().url());
    System.out.printf(
        "ClickHouse       %s/play  (user %s, database %s)%n",
        platform.clickHouse().url(),
        platform.clickHouse().user(),
        platform.clickHouse().database());
    System.out.printf("PostgreSQL       %s%n", platform.postgres());
    platform.kafka().ifPresent(servers -> System.out.printf("Kafka            %s%n", servers));
    System.out.printf("job configuration %s%n", platform.jobConfig());
  }
}
