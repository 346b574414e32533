package io.experimentetl.config;

import static io.experimentetl.config.ValueType.text;

import io.experimentetl.mapping.Rollup;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Reads {@code rollups} of a replicated table. */
final class RollupConfig {
  private final Predicate<String> isPlainName;
  private final Set<String> names = new HashSet<>();

  /**
   * Reads nothing yet.
   *
   * @param isPlainName whether a view can have the name
   */
  RollupConfig(Predicate<String> isPlainName) {
    this.isPlainName = isPlainName;
  }

  /**
   * Reads those of one table.
   *
   * @param path of the table
   */
  List<Rollup> read(Section table, String path) {
    List<Rollup> rollups = new ArrayList<>();
    if (!table.isEmpty("rollups")) {
      table.groups(
          "rollups",
          section -> {
            rollups.add(rollup(section, path + ".rollups[" + rollups.size() + "]"));
            return "";
          },
          List.of());
    }
    return rollups;
  }

  private Rollup rollup(Section section, String path) {
    String name = section.required("name", text(), "Name the view in ClickHouse.");
    String day =
        section.required("day", text(), "Name a column of days or times that is never NULL.");
    String zone = section.get("zone", text(), "UTC");
    if (name != null && !isPlainName.test(name)) {
      section.error(
          "name",
          "is \"" + name + "\", which is no plain name, or one of the job's own.",
          "Name the view in ClickHouse: letters, digits and underscores, a letter first.");
    }
    if (name != null && !names.add(name)) {
      section.error("name", "is the name of another rollup.", "Give each a name of its own.");
    }
    if (!ZoneId.getAvailableZoneIds().contains(zone)) {
      section.error(
          "zone",
          "is \"" + zone + "\", which is no zone.",
          "Write the name of an IANA zone, such as Europe/Berlin.");
    }
    List<String> by = section.list("by", text(), List.of());
    if (by.contains("day") || by.contains("rows")) {
      section.error(
          "by", "names day or rows, which the view has of its own.", "Group by another column.");
    }
    return new Rollup(
        path,
        name == null ? "" : name,
        day == null ? "" : day,
        zone,
        by,
        section.list("sums", text(), List.of()),
        section.list("distinct", text(), List.of()));
  }

  /** Whether a rollup has this name. */
  boolean has(String name) {
    return names.contains(name);
  }
}
