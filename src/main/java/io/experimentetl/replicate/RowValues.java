package io.experimentetl.replicate;

import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.TextList;
import java.util.ArrayList;
import java.util.List;

/** Reads columns of rows. Rows behind each other mostly share the list of their columns. */
final class RowValues {
  private String lastNames = "";
  private List<String> names = List.of();

  /** The values of these columns; a column that the row does not have is null. */
  List<String> of(ReplicatedRow row, List<String> columns) {
    if (!row.columns().equals(lastNames)) {
      lastNames = row.columns();
      names = TextList.parse(lastNames);
    }
    List<String> values = TextList.parse(row.values());
    List<String> wanted = new ArrayList<>(columns.size());
    for (String column : columns) {
      int place = names.indexOf(column);
      wanted.add(place < 0 || values.isEmpty() ? null : values.get(place));
    }
    return wanted;
  }
}
