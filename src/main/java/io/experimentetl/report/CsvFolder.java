package io.experimentetl.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SequenceWriter;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The report's figures as files, one for each view: the views have different columns. NULL is an
 * empty field, an array is written as JSON.
 */
final class CsvFolder {
  private static final String FORMULA_STARTS = "=+-@\t\r";

  private CsvFolder() {}

  /**
   * Writes {@code progress.csv}, {@code results.csv} and the others, replacing those that are
   * there.
   *
   * @throws CannotReportException naming the folder that can't be written
   */
  static List<Path> write(Path folder, Experiment experiment) {
    CsvMapper csv = new CsvMapper();
    Map<String, Figures> tables = new TreeMap<>(experiment.tables());
    tables.put("progress", experiment.progress());
    List<Path> written = new ArrayList<>();
    try {
      Files.createDirectories(folder);
      for (Map.Entry<String, Figures> table : tables.entrySet()) {
        Path file = folder.resolve(table.getKey() + ".csv");
        CsvSchema.Builder schema = CsvSchema.builder();
        table.getValue().columns().forEach(schema::addColumn);
        try (SequenceWriter rows =
            csv.writer(schema.build().withHeader().withLineSeparator("\r\n"))
                .writeValues(file.toFile())) {
          if (table.getValue().rows().isEmpty()) {
            rows.write(List.of());
          }
          for (Figures.Row row : table.getValue().rows()) {
            rows.write(row.values().values().stream().map(CsvFolder::field).toList());
          }
        }
        written.add(file);
      }
    } catch (IOException e) {
      throw new CannotReportException(
          "The folder " + folder + " can't be written (" + e + "): name another one with --csv.",
          e);
    }
    return written;
  }

  private static String field(JsonNode value) {
    if (value.isNull()) {
      return "";
    }
    if (value.isContainerNode()) {
      return value.toString();
    }
    String text = value.asText();
    return value.isTextual() && isFormula(text) ? "'" + text : text;
  }

  /** A spreadsheet would carry out a name that begins like a formula. */
  private static boolean isFormula(String text) {
    return !text.isEmpty() && FORMULA_STARTS.indexOf(text.charAt(0)) >= 0 && !isNumber(text);
  }

  private static boolean isNumber(String text) {
    try {
      new BigDecimal(text);
      return true;
    } catch (NumberFormatException e) {
      return false;
    }
  }
}
