package io.experimentetl.audit;

import io.experimentetl.archive.Archive;
import io.experimentetl.archive.ArchiveStore;
import io.experimentetl.archive.ArchivedTable;
import io.experimentetl.archive.Manifest;
import io.experimentetl.config.ArchiveConfig;
import java.io.IOException;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.EnumMap;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;

/** The months of which the archive's manifests say that they have left ClickHouse. */
final class ArchivedMonths {
  private final Map<ArchivedTable, NavigableSet<YearMonth>> months =
      new EnumMap<>(ArchivedTable.class);

  /**
   * Reads the manifests, if there is an archive.
   *
   * @throws CannotCompareException they can't be read
   */
  ArchivedMonths(ArchiveConfig config) {
    for (ArchivedTable table : ArchivedTable.values()) {
      months.put(table, new TreeSet<>());
    }
    if (!config.isOn()) {
      return;
    }
    try (Archive archive = new Archive(ArchiveStore.open(config))) {
      for (Manifest manifest : archive.manifests()) {
        months.get(manifest.archivedTable()).add(manifest.yearMonth());
      }
    } catch (IOException | IllegalStateException e) {
      throw new CannotCompareException(
          "The archive's manifests, which name the rows that have left ClickHouse, can't be read: "
              + e.getMessage(),
          e);
    }
  }

  /** Whether rows of the table with this time were archived. */
  boolean contains(String warehouseTable, long micros) {
    YearMonth month =
        YearMonth.from(
            Instant.ofEpochSecond(Math.floorDiv(micros, 1_000_000)).atZone(ZoneOffset.UTC));
    return months.entrySet().stream()
        .anyMatch(
            of ->
                of.getKey().warehouseTable().equals(warehouseTable)
                    && of.getValue().contains(month));
  }

  /** The end of the last archived month of the table; empty: none is archived. */
  Optional<Instant> end(String warehouseTable) {
    return months.entrySet().stream()
        .filter(of -> of.getKey().warehouseTable().equals(warehouseTable))
        .filter(of -> !of.getValue().isEmpty())
        .map(
            of ->
                of.getValue()
                    .last()
                    .plusMonths(1)
                    .atDay(1)
                    .atStartOfDay()
                    .toInstant(ZoneOffset.UTC))
        .findFirst();
  }
}
