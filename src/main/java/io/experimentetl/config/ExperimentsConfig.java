package io.experimentetl.config;

import static io.experimentetl.config.ValueType.bool;
import static io.experimentetl.config.ValueType.text;
import static io.experimentetl.config.ValueType.timeZone;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.mapping.DeclaredExperiments;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads {@code source.tables.experiments.inline}: experiments that no table holds. */
final class ExperimentsConfig {

  /** An experiment with its variants. */
  private record Declared(ExperimentRow experiment, List<VariantRow> variants) {}

  private static final List<String> STATUSES =
      List.of("DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "ARCHIVED");

  private static final Instant FIRST = Instant.parse("1900-01-01T00:00:00Z");
  private static final Instant LAST = Instant.parse("2299-12-31T23:59:59Z");

  private final boolean experimentsByKey;
  private final boolean variantsByKey;
  private final Map<Long, String> experiments = new HashMap<>();
  private final Map<Long, String> variants = new HashMap<>();
  private final Set<String> keys = new HashSet<>();

  private ExperimentsConfig(boolean experimentsByKey, boolean variantsByKey) {
    this.experimentsByKey = experimentsByKey;
    this.variantsByKey = variantsByKey;
  }

  /**
   * Reads the list.
   *
   * @param section source.tables.experiments
   * @param experimentsByKey whether facts name experiments by key
   * @param variantsByKey whether facts name variants by key
   */
  static DeclaredExperiments read(
      Section section, boolean experimentsByKey, boolean variantsByKey) {
    ExperimentsConfig config = new ExperimentsConfig(experimentsByKey, variantsByKey);
    List<Declared> declared = section.groups("inline", config::experiment, List.of());
    return new DeclaredExperiments(
        declared.stream().map(Declared::experiment).toList(),
        declared.stream().flatMap(each -> each.variants().stream()).toList());
  }

  private Declared experiment(Section section) {
    String key = key(section, "experiment", keys);
    String id = id(section);
    long number =
        EntityNumber.of(SourceTable.EXPERIMENTS, id == null || experimentsByKey ? key : id);
    refuseCollision(section, "experiment", experiments, number, key);
    String zone = section.optional("zone", timeZone());
    Long startsAt = time(section, "starts_at", zone);
    Long endsAt = time(section, "ends_at", zone);
    if (startsAt != null && endsAt != null && endsAt <= startsAt) {
      section.error("ends_at", "is not behind starts_at.", "Correct one of the two.");
    }
    String name = section.optional("name", text());
    ExperimentRow row =
        new ExperimentRow(
            number,
            key,
            name == null ? key : name,
            section.optional("description", text()),
            status(section),
            null,
            1,
            zone == null ? null : "{\"zone\": \"" + zone + "\"}",
            startsAt,
            endsAt,
            0,
            0,
            ownId(id, key, experimentsByKey));
    return new Declared(row, variants(section, number));
  }

  private List<VariantRow> variants(Section section, long experiment) {
    if (section.isEmpty("variants")) {
      section.error("variants", "is missing.", "List the variants, each with key and weight.");
      return List.of();
    }
    Set<String> own = new HashSet<>();
    List<VariantRow> rows = new ArrayList<>();
    section.groups(
        "variants",
        group -> {
          VariantRow row = variant(group, experiment, own);
          rows.add(row);
          return row;
        },
        List.of());
    return rows;
  }

  private VariantRow variant(Section section, long experiment, Set<String> own) {
    String key = key(section, "variant", own);
    String id = id(section);
    String numbered =
        variantsByKey ? KeyText.of(List.of(Long.toString(experiment), key)) : id == null ? key : id;
    long number = EntityNumber.of(SourceTable.VARIANTS, numbered);
    if (!variantsByKey) {
      refuseCollision(section, "variant", variants, number, key);
    }
    String name = section.optional("name", text());
    return new VariantRow(
        number,
        experiment,
        key,
        name == null ? key : name,
        section.optional("description", text()),
        weight(section),
        section.get("control", bool(), false),
        null,
        0,
        0,
        ownId(id, key, variantsByKey));
  }

  /**
   * The key that facts name.
   *
   * @param others keys that it must differ from; it is added
   */
  private static String key(Section section, String what, Set<String> others) {
    String given =
        section.required("key", text(), "Give the %s the key that facts name.".formatted(what));
    String key = given == null ? "" : given;
    if (!others.add(key)) {
      section.error(
          "key", "\"%s\" is the key of another %s too.".formatted(key, what), "Give each its own.");
    }
    return key;
  }

  /** The id by which facts name it: an integer or a text. Null: they name it by its key. */
  private static String id(Section section) {
    JsonNode id = section.any("id");
    if (id.isMissingNode() || id.isNull() || id.isIntegralNumber()) {
      return id.isIntegralNumber() ? id.asText() : null;
    }
    return section.optional("id", text());
  }

  /** The source's own id, where the warehouse has another number: as for rows of a table. */
  private static String ownId(String id, String key, boolean byKey) {
    if (byKey) {
      return id;
    }
    String own = id == null ? key : id;
    return EntityNumber.isInteger(own) ? null : own;
  }

  private static void refuseCollision(
      Section section, String what, Map<Long, String> numbers, long number, String key) {
    String other = numbers.putIfAbsent(number, key);
    if (other != null && !key.isEmpty() && !other.isEmpty()) {
      section.error(
          "id",
          "gives the %s %s the number %d, which %s has too.".formatted(what, key, number, other),
          "Give each its own id, or name %ss by key in all tables of facts: {key: COLUMN}."
              .formatted(what));
    }
  }

  private static String status(Section section) {
    String status = section.get("status", text(), "ACTIVE");
    if (!STATUSES.contains(status)) {
      section.error(
          "status",
          "is \"" + status + "\", which is no status.",
          "Use one of " + String.join(", ", STATUSES) + ". The default is ACTIVE.");
    }
    return status;
  }

  private static double weight(Section section) {
    JsonNode weight = section.any("weight");
    if (!weight.isNumber() || !Double.isFinite(weight.asDouble()) || weight.asDouble() < 0) {
      section.error(
          "weight",
          weight.isMissingNode() || weight.isNull()
              ? "is missing."
              : "is " + ValueType.describe(weight) + ", not a number from 0 on.",
          "Write the variant's weight: only the ratio of the weights counts.");
      return 0;
    }
    return weight.asDouble();
  }

  /** Microseconds since 1970 in UTC, or null. A date is its midnight in the experiment's zone. */
  private static Long time(Section section, String key, String zone) {
    String text = section.optional(key, text());
    if (text == null) {
      return null;
    }
    try {
      Instant time =
          text.length() <= 10
              ? LocalDate.parse(text)
                  .atStartOfDay(zone == null ? ZoneOffset.UTC : ZoneId.of(zone))
                  .toInstant()
              : OffsetDateTime.parse(text.replace(' ', 'T')).toInstant();
      if (!time.isBefore(FIRST) && !time.isAfter(LAST)) {
        return ChronoUnit.MICROS.between(Instant.EPOCH, time);
      }
    } catch (DateTimeException notATime) {
      // Reported with a time outside of what ClickHouse holds.
    }
    section.error(
        key,
        "is \"" + text + "\", which is no time of the years 1900 to 2299.",
        "Write a date, or a time with its offset: 2026-11-20T12:00:00Z.");
    return null;
  }
}
