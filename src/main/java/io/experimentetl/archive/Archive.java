package io.experimentetl.archive;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Year;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The manifests and files of the archive.
 *
 * <p>A file is written, and then a manifest that names it; a file is removed after the manifest
 * that no longer names it was written. So a reader that takes a manifest first finds its files,
 * whenever a writer was stopped.
 */
public final class Archive implements AutoCloseable {
  private static final String SUFFIX = "/" + Manifest.NAME;

  /** A name that the archive writes, or that a folder's draft of it has. */
  private static final Pattern WRITTEN =
      Pattern.compile(
          Arrays.stream(ArchivedTable.values())
                  .map(ArchivedTable::warehouseTable)
                  .collect(Collectors.joining("|", "(", ")"))
              + "/[^/]+/(r\\d+-b\\d+-[^/]+\\.parquet|manifest\\.json)(\\.draft)?");

  private final ArchiveStore store;
  private final Path drafts;

  /**
   * An archive at a place.
   *
   * @throws IOException if no temporary directory can be made
   */
  public Archive(ArchiveStore store) throws IOException {
    this.store = store;
    // Only its owner can read it: the files have users' data.
    this.drafts = Files.createTempDirectory("experiment-etl-archive");
  }

  /** Where it is. */
  public ArchiveStore store() {
    return store;
  }

  /** All months, in order. */
  public List<Manifest> manifests() throws IOException {
    return manifests(YearMonth.of(Year.MIN_VALUE, 1), YearMonth.of(Year.MAX_VALUE, 12));
  }

  /** Those of the months from the first to the last, both included. */
  public List<Manifest> manifests(YearMonth first, YearMonth last) throws IOException {
    List<Manifest> manifests = new ArrayList<>();
    for (String name : store.list("")) {
      if (name.endsWith(SUFFIX)) {
        String folder = name.substring(0, name.length() - SUFFIX.length());
        YearMonth month = YearMonth.parse(folder.substring(folder.lastIndexOf('/') + 1));
        if (!month.isBefore(first) && !month.isAfter(last)) {
          read(name).ifPresent(manifests::add);
        }
      }
    }
    manifests.sort(Comparator.comparing(Manifest::month).thenComparing(Manifest::table));
    return manifests;
  }

  /** The manifest of a month; empty: it is not archived. */
  public Optional<Manifest> manifest(ArchivedTable table, YearMonth month) throws IOException {
    String name = Manifest.folder(table, month) + Manifest.NAME;
    return store.list(name).contains(name) ? read(name) : Optional.empty();
  }

  private Optional<Manifest> read(String name) throws IOException {
    Path copy = draft();
    try {
      store.read(name, copy);
      return Optional.of(Manifest.read(copy));
    } finally {
      Files.deleteIfExists(copy);
    }
  }

  /** Writes a manifest, and reads it back. */
  void write(Manifest manifest) throws IOException {
    Path draft = draft();
    String name = Manifest.folder(manifest.archivedTable(), manifest.yearMonth()) + Manifest.NAME;
    try {
      manifest.write(draft);
      store.write(name, draft);
      if (!read(name).equals(Optional.of(manifest))) {
        throw new IOException(
            "The manifest %s in %s is not what was written.".formatted(name, store));
      }
    } finally {
      Files.deleteIfExists(draft);
    }
  }

  /**
   * Copies a file of a manifest to a draft, which the caller deletes.
   *
   * @throws IOException also if it is not the file that the manifest names
   */
  Path fetch(Manifest manifest, Manifest.File file) throws IOException {
    String name = Manifest.folder(manifest.archivedTable(), manifest.yearMonth()) + file.name();
    Path copy = draft();
    try {
      store.read(name, copy);
      if (!sha256(copy).equals(file.sha256())) {
        throw new IOException(
            "The file %s in %s is damaged: its SHA-256 is not that of the manifest."
                .formatted(name, store));
      }
      return copy;
    } catch (IOException e) {
      Files.deleteIfExists(copy);
      throw e;
    }
  }

  /**
   * Removes the archive's files that no manifest names, with their versions: a run that was stopped
   * has left them. A file that the archive cannot have written is left: its folder or bucket may
   * have others.
   *
   * @return the number of versions
   */
  int removeUnnamed() throws IOException {
    Set<String> named = new HashSet<>();
    for (Manifest manifest : manifests()) {
      named.addAll(names(manifest));
    }
    return removeAllBut(named, store.list("").stream().filter(WRITTEN.asMatchPredicate()).toList());
  }

  /**
   * Removes the files in a manifest's folder that it does not name, with their versions.
   *
   * @return the number of versions
   */
  int removeOthers(Manifest manifest) throws IOException {
    return removeAllBut(
        names(manifest),
        store.list(Manifest.folder(manifest.archivedTable(), manifest.yearMonth())));
  }

  /** The names of a manifest and of its files. */
  private static Set<String> names(Manifest manifest) {
    String folder = Manifest.folder(manifest.archivedTable(), manifest.yearMonth());
    Set<String> names = new HashSet<>(Set.of(folder + Manifest.NAME));
    manifest.names().forEach(name -> names.add(folder + name));
    return names;
  }

  private int removeAllBut(Set<String> kept, List<String> names) throws IOException {
    int removed = 0;
    for (String name : names) {
      if (!kept.contains(name)) {
        removed += store.remove(name);
      }
    }
    return removed;
  }

  /** A path that does not exist yet. */
  Path draft() {
    return drafts.resolve(Long.toString(System.nanoTime(), 36));
  }

  static String sha256(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file);
        DigestInputStream digest =
            new DigestInputStream(in, MessageDigest.getInstance("SHA-256"))) {
      byte[] buffer = new byte[1 << 16];
      while (digest.read(buffer) >= 0) {
        // The stream counts in.
      }
      return HexFormat.of().formatHex(digest.getMessageDigest().digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256.", e);
    }
  }

  /** Removes the drafts. */
  @Override
  public void close() throws IOException {
    store.close();
    Files.walkFileTree(
        drafts,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, IOException failure)
              throws IOException {
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
