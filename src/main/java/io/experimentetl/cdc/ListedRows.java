package io.experimentetl.cdc;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.cdc.MappedColumn.MappedFilter.Match;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Json;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.VariantRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Variants that are elements of a JSON list in a row of experiments. An element with an id is
 * changed and deleted as a row of a table is. What is no list, or an element without an id, gives
 * no variant: it is a finding about the experiment, which the next change of its row resolves.
 */
final class ListedRows {
  private static final ObjectMapper JSON = new ObjectMapper(Json.FACTORY.copy());

  /**
   * A change of an element.
   *
   * @param before null: it was not in the list
   * @param after null: it is not in the list
   */
  record Change(ChangeKind kind, SourceRow before, SourceRow after) {}

  private final String column;
  private final JsonRowReader elements;
  private final List<String> withoutId;

  /** The members that make an element's id, for people. */
  private final String idColumns;

  /**
   * The lists of a table.
   *
   * @param holder has a binding of their elements
   */
  ListedRows(TableBinding holder) {
    column = holder.nameOf(VariantRow.COLUMNS.named("config"));
    elements = new JsonRowReader(holder.elements());
    Set<Integer> key = IntStream.of(elements.keySources()).boxed().collect(Collectors.toSet());
    idColumns =
        key.stream()
            .map(elements.sources()::get)
            .filter(member -> !member.equals(TableBinding.EXPERIMENT))
            .collect(Collectors.joining(", "));
    withoutId =
        IntStream.range(0, elements.sources().size())
            .filter(source -> !key.contains(source))
            .mapToObj(elements.sources()::get)
            .toList();
  }

  /**
   * What a change of the row that has the list means for its elements. Deleted elements are first.
   * An element that stays as it is gives an update too, so that an update of its row replays it.
   *
   * @param before the row with the list as its {@code config}; null: there is none
   * @param after likewise
   */
  List<Change> changes(ChangeKind kind, SourceRow before, SourceRow after) {
    if (after instanceof UnreadableRow unreadable) {
      return List.of(new Change(kind, null, ofExperiment(unreadable)));
    }
    Map<Long, SourceRow> old = new LinkedHashMap<>();
    read(
        before, old, (row, key) -> elements.readOld(row) instanceof VariantRow whole ? whole : key);
    Map<Long, SourceRow> now = new LinkedHashMap<>();
    List<String> problems = read(after, now, (row, key) -> elements.read(row, null));
    List<Change> changes = new ArrayList<>();
    old.forEach(
        (id, row) -> {
          if (!now.containsKey(id)) {
            changes.add(new Change(after == null ? kind : ChangeKind.DELETE, row, null));
          }
        });
    now.forEach(
        (id, row) -> {
          boolean isNew = before != null && !old.containsKey(id);
          changes.add(new Change(isNew ? ChangeKind.INSERT : kind, old.get(id), row));
        });
    if (!problems.isEmpty()) {
      changes.add(new Change(kind, null, unreadable((VariantRow) after, problems)));
    }
    return changes;
  }

  /** How the columns of an element are read. */
  private interface Reading {
    SourceRow of(ObjectNode element, VariantRow key);
  }

  /** Collects the elements by id, and returns what is wrong with the others. */
  private List<String> read(SourceRow holder, Map<Long, SourceRow> rows, Reading reading) {
    List<String> problems = new ArrayList<>();
    if (!(holder instanceof VariantRow list) || list.config() == null) {
      return problems;
    }
    JsonNode parsed = parsed(list.config());
    if (!parsed.isArray() && !parsed.isNull()) {
      problems.add("It is no JSON list.");
    }
    int number = 0;
    for (JsonNode element : parsed.isArray() ? parsed : JSON.createArrayNode()) {
      number++;
      ObjectNode row = row(element, list.experimentId());
      if (elements.match(row, null) == Match.NO) {
        continue;
      }
      SourceRow key = keyOf(row);
      if (!(key instanceof VariantRow known)) {
        problems.add("Element %d has no %s that can be read.".formatted(number, idColumns));
      } else if (rows.containsKey(known.id())) {
        problems.add("Element %d has the id of one before it, which counts.".formatted(number));
      } else {
        rows.put(known.id(), reading.of(row, known));
      }
    }
    return problems;
  }

  private static JsonNode parsed(String list) {
    try {
      return JSON.readTree(list);
    } catch (JsonProcessingException e) {
      return JSON.missingNode();
    }
  }

  private ObjectNode row(JsonNode element, long experimentId) {
    ObjectNode row = element.isObject() ? (ObjectNode) element : JSON.createObjectNode();
    row.put(TableBinding.EXPERIMENT, experimentId);
    for (String member : elements.sources()) {
      if (!row.has(member)) {
        row.putNull(member);
      }
    }
    return row;
  }

  /** The element with its id only. */
  private SourceRow keyOf(ObjectNode row) {
    ObjectNode key = row.deepCopy();
    withoutId.forEach(key::putNull);
    return elements.readOld(key);
  }

  private UnreadableRow unreadable(VariantRow list, List<String> problems) {
    return new UnreadableRow(
        SourceTable.VARIANTS,
        Subject.experiment(list.experimentId()),
        null,
        FindingCode.S_UNPARSEABLE,
        column,
        "The list of variants cannot be read as it is. " + String.join(" ", problems));
  }

  /** The row that holds the list is one of experiments. */
  private static UnreadableRow ofExperiment(UnreadableRow row) {
    return new UnreadableRow(
        row.table(),
        Subject.row(SourceTable.EXPERIMENTS, row.subject().key()),
        null,
        row.code(),
        row.column(),
        row.reason());
  }
}
