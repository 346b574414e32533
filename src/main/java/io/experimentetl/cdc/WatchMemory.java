package io.experimentetl.cdc;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.experimentetl.model.SourceTable;
import java.util.Map;
import java.util.Set;

/**
 * What the watch of the source remembers across restarts.
 *
 * @param settled the catalogue as of which every table is known to be whole in the warehouse; null:
 *     no look yet
 * @param faults the open findings about faults: subject and text
 * @param lost the tables with an open finding about lost changes
 */
record WatchMemory(SourceCatalogue settled, Map<String, String> faults, Set<SourceTable> lost) {
  private static final JsonMapper JSON = new JsonMapper();

  static final WatchMemory START = new WatchMemory(null, Map.of(), Set.of());

  /** The text that {@link #parse} reads, for the operator's state. */
  String print() {
    try {
      return JSON.writeValueAsString(this);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("The watch of the source cannot be written as JSON.", e);
    }
  }

  /** Reads what {@link #print} wrote. */
  static WatchMemory parse(String text) {
    try {
      return JSON.readValue(text, WatchMemory.class);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("The state of the watch of the source cannot be read.", e);
    }
  }
}
