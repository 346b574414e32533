package io.experimentetl.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Reads {@code source.tables.mask}: which columns leave the platform masked, or not at all. */
final class MaskConfig {
  private static final String DROP = "drop";
  private static final String HMAC = "hmac";

  private static final String OF_FACTS = "facts.NAME";

  private static final List<String> OF_EVENTS =
      List.of("session_id", "request_id", "device_id", "properties");

  /** The columns of each entry by which nothing is joined or selected. */
  private static final Map<String, List<String>> MASKABLE =
      Map.of(
          "users",
          List.of("email", "name", "properties"),
          "assignments",
          List.of("context"),
          "exposures",
          OF_EVENTS,
          "events",
          OF_EVENTS,
          OF_FACTS,
          OF_EVENTS);

  private final Section section;

  MaskConfig(Section section) {
    this.section = section;
  }

  /** Replaces the bindings whose columns are masked. */
  void apply(List<TableBinding> tables) {
    JsonNode masks = section.any("mask");
    boolean anyHmac = false;
    for (JsonNode how : masks) {
      anyHmac |= how.asText().equals(HMAC);
    }
    Secret key = section.secret("mask-key", anyHmac);
    if (!masks.isObject() && !masks.isMissingNode() && !masks.isNull()) {
      section.error(
          "mask",
          "is " + ValueType.describe(masks) + ", not a group of columns.",
          "Write ENTRY.COLUMN: drop or hmac below it.");
    }
    masks.properties().forEach(mask -> apply(mask.getKey(), mask.getValue(), key, tables));
  }

  private static String kindOf(TableBinding table) {
    return table.fact() == null ? table.entry() : OF_FACTS;
  }

  private void apply(String name, JsonNode how, Secret key, List<TableBinding> tables) {
    int dot = name.lastIndexOf('.');
    String entry = dot < 0 ? name : name.substring(0, dot);
    String column = name.substring(dot + 1);
    Optional<TableBinding> table =
        tables.stream().filter(binding -> binding.entry().equals(entry)).findFirst();
    String at = "mask." + name;
    if (table.isEmpty()
        || !MASKABLE.getOrDefault(kindOf(table.get()), List.of()).contains(column)) {
      section.error(
          at,
          "is no column that can be masked.",
          "Use "
              + new TreeMap<>(MASKABLE)
                  .entrySet().stream()
                      .flatMap(of -> of.getValue().stream().map(each -> of.getKey() + "." + each))
                      .collect(Collectors.joining(", "))
              + ".");
      return;
    }
    ColumnBinding bound = table.get().columns().get(column);
    boolean isHmac = how.asText().equals(HMAC);
    if (!isHmac && !how.asText().equals(DROP)) {
      section.error(at, "is " + ValueType.describe(how) + ".", "Use drop or hmac.");
    } else if (isHmac && table.get().table().columns().named(column).type() == ColumnType.JSON) {
      // Nothing could be read of it.
      section.error(at, "is hmac of a JSON column.", "Use drop, or list columns in properties.");
    } else if (isHmac && bound == null) {
      section.error(at, "masks a column that is not read.", "Remove it, or map the column.");
    } else if (isHmac && !bound.values().isEmpty()) {
      section.error(at, "masks a column whose values are renamed.", "Remove one of the two.");
    } else {
      tables.replaceAll(
          binding ->
              binding.entry().equals(entry)
                  ? binding.masked(
                      column, isHmac ? bound.from(new Origin.Masked(bound.origin(), key)) : null)
                  : binding);
    }
  }
}
