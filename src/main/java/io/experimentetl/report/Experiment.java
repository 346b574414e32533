package io.experimentetl.report;

import io.experimentetl.model.ExperimentRow;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * All of an experiment that the report shows, as the views return it.
 *
 * @param zone of the days: the experiment's own, else the default one
 * @param zoneIsFrom where the zone is configured
 * @param progress one row, or none before the first checkpoint; read first, so that all it promises
 *     is in the rest
 * @param tables the views' answers, by the name of their query
 */
record Experiment(
    long id,
    String key,
    String name,
    String status,
    String startsAt,
    String endsAt,
    String zone,
    String zoneIsFrom,
    Figures progress,
    Map<String, Figures> tables) {
  static final List<String> QUERIES =
      List.of("results", "cumulative", "daily", "health", "findings_by_day", "open_findings");

  /**
   * Reads it.
   *
   * @param keyOrId an experiment's key, else its id
   * @throws UnknownExperimentException naming the near ones
   */
  static Experiment read(Views views, String keyOrId, String defaultZone) {
    Map<String, String> asked = Map.of("experiment", keyOrId);
    List<Figures.Row> found = views.ask("experiment.sql", asked).rows();
    if (found.isEmpty()) {
      throw unknown(keyOrId, views.ask("near.sql", asked));
    }
    Figures progress = views.ask("progress.sql", Map.of());
    Figures.Row row = found.get(0);
    String own = ownZone(row.text("config"));
    String zone = own != null ? own : defaultZone != null ? defaultZone : "UTC";
    Map<String, String> parameters = Map.of("id", row.text("id"), "zone", zone);
    return new Experiment(
        Long.parseLong(row.text("id")),
        row.text("key"),
        row.text("name"),
        row.text("status"),
        row.text("starts_at"),
        row.text("ends_at"),
        zone,
        own != null
            ? "config.zone of the experiment"
            : defaultZone != null
                ? "statistics.zone of the job"
                : "unless the job sets another statistics.zone",
        progress,
        QUERIES.stream()
            .collect(
                Collectors.toMap(
                    query -> query, query -> views.ask(query + ".sql", used(query, parameters)))));
  }

  Figures table(String query) {
    return tables.get(query);
  }

  /** Only the parameters that the query names. */
  private static Map<String, String> used(String query, Map<String, String> parameters) {
    return query.endsWith("findings_by_day") || query.endsWith("open_findings")
        ? parameters
        : Map.of("id", parameters.get("id"));
  }

  /** The zone as the job reads it: an invalid zone counts as no zone. */
  private static String ownZone(String config) {
    ZoneId zone = config.isEmpty() ? null : ExperimentRow.zoneOf(config);
    return zone == null ? null : zone.getId();
  }

  private static UnknownExperimentException unknown(String keyOrId, Figures near) {
    return new UnknownExperimentException(
        "There is no experiment with the key or id "
            + printable(keyOrId)
            + " in ClickHouse. "
            + (near.rows().isEmpty()
                ? "There is none at all: has the job completed its first checkpoint? (SELECT * FROM etl_progress)"
                : "Near ones: "
                    + near.rows().stream()
                        .map(row -> printable(row.text("key")) + " (id " + row.text("id") + ")")
                        .collect(Collectors.joining(", "))
                    + ". All: SELECT id, key, name FROM experiments FINAL."));
  }

  /** A key may hold anything; a terminal acts on control characters. */
  static String printable(String text) {
    return text.replaceAll("[\\p{Cntrl}\\p{Cf}]", "�");
  }
}
