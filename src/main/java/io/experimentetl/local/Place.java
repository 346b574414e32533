package io.experimentetl.local;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The folders of the repository and the platform; a picocli mixin of the verbs. */
public final class Place {
  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "where the platform keeps its data, logs and state (default: target/platform)")
  private Path directory;

  /** The repository's root. */
  public Path home() {
    return Path.of(System.getProperty("etl.home", ".")).toAbsolutePath().normalize();
  }

  /** The platform's directory. */
  public Path directory() {
    return directory == null
        ? home().resolve("target").resolve("platform")
        : directory.toAbsolutePath().normalize();
  }

  /** The shaded job jar. */
  public Path jobJar() {
    return home().resolve("target").resolve("experiment-etl.jar");
  }

  /** The addresses of the platform in the directory; empty: none runs there. */
  Optional<PlatformAddresses> platform() {
    return PlatformAddresses.read(directory());
  }

  /**
   * The addresses of the platform that {@code ./etl up} or {@code ./etl demo} keeps in the
   * directory.
   *
   * @throws PlatformException when none runs
   */
  public PlatformAddresses running() {
    return platform()
        .orElseThrow(
            () ->
                new PlatformException(
                    "no platform runs in "
                        + directory()
                        + "; start it with ./etl up, or name other servers with --config and --flink"));
  }
}
