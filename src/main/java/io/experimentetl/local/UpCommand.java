package io.experimentetl.local;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
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

  @Mixin Place place;

  // Parsed here only for errors and the help; the supervisor parses the same words again.
  @Mixin PlatformOptions options;

  @Spec CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    Path directory = place.directory();
    Optional<PlatformAddresses> running = PlatformAddresses.read(directory);
    if (running.isPresent()) {
      requireAsAsked(running.get());
      System.out.println("running already");
      print(running.get());
      return 0;
    }
    Platform.requireSoundJobConfig(directory, options);
    if (options.flink().isPresent()) {
      new Launch(true, true, false, new TreeMap<>(), new TreeMap<>())
          .requireSameOverrides(System.getenv());
    }
    // Downloaded in the foreground: it may take a while, and it prints that.
    if (options.clickHouse().isEmpty()) {
      DownloadCache.clickHouseLibrary();
    }
    options.postgres();
    Path log = directory.resolve("supervisor.log");
    OwnerOnly.folder(directory);
    long begin = Files.exists(log) ? Files.size(log) : 0;
    Process supervisor = startSupervisor(log);
    System.out.printf("starting the servers in %s; the log is %s%n", directory, log);
    LogTail events = new LogTail(log, begin);
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (System.nanoTime() < end) {
      events.print(System.out);
      Optional<PlatformAddresses> started = PlatformAddresses.read(directory);
      if (started.isPresent()) {
        print(started.get());
        System.out.println("next: ./etl submit");
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

  /** A process of its own session, which Ctrl-C of this one does not reach. */
  private Process startSupervisor(Path log) throws IOException {
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
    return new ProcessBuilder(line)
        .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
        .start();
  }

  /**
   * Refuses other options than those of the running platform. Changing or repairing it would be a
   * restart, which is the user's decision.
   */
  private void requireAsAsked(PlatformAddresses running) {
    SortedMap<String, String> asked = options.given();
    SortedMap<String, String> there = running.launch().options();
    if (!asked.isEmpty() && !asked.equals(there)) {
      throw new PlatformException(
          "a platform runs already in %s, with other options (%s); these would have no effect (%s): ./etl down first"
              .formatted(place.directory(), text(there), text(asked)));
    }
    running.launch().requireSameOverrides(System.getenv());
    List<String> dead = running.deadServers();
    if (!dead.isEmpty()) {
      throw new PlatformException(
          "the platform in %s is incomplete: %s. ./etl down, then ./etl up starts all servers again on their data; see %s"
              .formatted(
                  place.directory(),
                  String.join("; ", dead),
                  place.directory().resolve("supervisor.log")));
    }
  }

  private static String text(SortedMap<String, String> options) {
    return options.isEmpty()
        ? "none"
        : options.entrySet().stream()
            .map(option -> option.getKey() + "=" + option.getValue())
            .collect(Collectors.joining(", "));
  }

  static void print(PlatformAddresses platform) {
    System.out.printf("Flink web UI     %s%n", platform.flink().url());
    System.out.printf(
        "ClickHouse       %s/play  (user %s, database %s%s)%n",
        platform.clickHouse().url(),
        platform.clickHouse().user(),
        platform.clickHouse().database(),
        passwordIn(platform.launch().ownClickHouse(), platform, "clickhouse.password"));
    System.out.printf(
        "PostgreSQL       %s%s%n",
        platform.postgres(),
        passwordIn(platform.launch().ownPostgres(), platform, "postgres.password"));
    platform.kafka().ifPresent(servers -> System.out.printf("Kafka            %s%n", servers));
    System.out.printf("job configuration %s%n", platform.jobConfig());
  }

  private static String passwordIn(boolean own, PlatformAddresses platform, String name) {
    Path file = platform.jobConfig().resolveSibling(name);
    return own && Files.exists(file) ? ", password in " + file : "";
  }
}
