package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The tables of {@code docs/findings.md} are generated from {@link FindingCode}, {@link Severity}
 * and {@link SubjectKind}. With {@code -Ddocs.write=true} this test writes them.
 */
class FindingsPageTest {
  private static final Path PAGE = Path.of("docs/findings.md");
  private static final String WRITE = "mvn -o test -Dtest=FindingsPageTest -Ddocs.write=true";

  /** First letter of the codes, and the heading of their table. */
  private static final Map<Character, String> GROUPS = new LinkedHashMap<>();

  static {
    GROUPS.put('R', "References and the design of an experiment");
    GROUPS.put('A', "Assignments");
    GROUPS.put('T', "Times");
    GROUPS.put('D', "Duplicates");
    GROUPS.put('S', "Rows and schema");
    GROUPS.put('C', "Changes of facts");
    GROUPS.put('H', "Health of an experiment and of the pipeline");
    GROUPS.put('M', "Metrics");
    GROUPS.put('O', "Outbox");
    GROUPS.put('X', "Audit");
  }

  @Test
  void tablesMatchTheEnums() throws IOException {
    String page = Files.readString(PAGE);
    String generated = replace(replace(page, "reference", reference()), "codes", codes());
    if (Boolean.getBoolean("docs.write")) {
      Files.writeString(PAGE, generated);
    } else {
      assertThat(page)
          .as("docs/findings.md is stale. Regenerate it: " + WRITE)
          .isEqualTo(generated);
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyCodeHasItsLine(FindingCode code) throws IOException {
    assertThat(Files.readAllLines(PAGE)).contains(line(code));
  }

  private static String replace(String page, String block, String tables) {
    String begin = "<!-- generated " + block + " -->\n";
    String end = "<!-- end of " + block + " -->";
    int from = page.indexOf(begin);
    int to = page.indexOf(end);
    assertThat(from).as("'%s' in %s", begin, PAGE).isNotNegative().isLessThan(to);
    return page.substring(0, from + begin.length()) + tables + page.substring(to);
  }

  private static String reference() {
    StringBuilder tables = new StringBuilder("| severity | meaning |\n|---|---|\n");
    for (Severity severity : Severity.values()) {
      tables.append("| %s | %s |%n".formatted(severity.name(), severity.meaning()));
    }
    tables.append("\n| subject_kind | the finding is about | subject_key |\n|---|---|---|\n");
    for (SubjectKind kind : SubjectKind.values()) {
      String key = kind.keyForm().isEmpty() ? "empty" : "`" + kind.keyForm() + "`";
      tables.append("| %s | %s | %s |%n".formatted(kind.text(), kind.meaning(), key));
    }
    return tables.toString();
  }

  private static String codes() {
    StringBuilder tables = new StringBuilder();
    GROUPS.forEach(
        (letter, heading) -> {
          tables
              .append(tables.isEmpty() ? "" : "\n")
              .append("### ")
              .append(heading)
              .append("\n\n| code | severity | can resolve | what it means | what to do |\n")
              .append("|---|---|---|---|---|\n");
          for (FindingCode code : FindingCode.values()) {
            if (code.code().charAt(0) == letter) {
              tables.append(line(code)).append('\n');
            }
          }
        });
    return tables.toString();
  }

  private static String line(FindingCode code) {
    return "| %s | %s | %s | %s | %s |"
        .formatted(
            code.code(),
            code.severity().name().toLowerCase(Locale.ROOT),
            code.resolvable() ? "yes" : "",
            code.sentence(),
            code.remedy());
  }
}
