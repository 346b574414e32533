package io.experimentetl.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.ReportCommand;
import io.experimentetl.operations.SqlFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.pdfbox.Loader;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.text.PDFTextStripper;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** The report from real views, shown by a real browser. */
class ReportIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final int PHONE = 390;
  private static final int DESKTOP = 1280;
  private static final long CHECKOUT = 1;
  private static final long TEN_VARIANTS = 2;
  private static final long HOSTILE = 7;

  private static ClickHouseEndpoint warehouse;
  private static ClickHouseEndpoint large;
  private static Path folder;
  private static Browser browser;
  private static final Map<Long, Path> PAGES = new HashMap<>();

  @BeforeAll
  static void warehouseAndBrowser() throws IOException {
    folder = Files.createDirectories(PLATFORM.directory().resolve("report"));
    warehouse = PLATFORM.newClickHouseDatabase("report");
    large = PLATFORM.newClickHouseDatabase("report_large");
    for (ClickHouseEndpoint each : List.of(warehouse, large)) {
      new SqlFiles(Path.of("sql")).applyTo(each.login(), true);
    }
    Scenario.all(warehouse);
    Scenario.large(large);
    Optional<Path> program = Browser.program();
    if (program.isPresent()) {
      browser = new Browser(program.get(), folder.resolve("chromium"));
    }
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.close();
    }
  }

  private record Run(int exitCode, String out, String err) {}

  private static Run report(ClickHouseEndpoint from, String... arguments) throws IOException {
    Path password = folder.resolve("password");
    Files.writeString(password, from.password());
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(
        List.of(
            "--clickhouse-url",
            from.url(),
            "--clickhouse-database",
            from.database(),
            "--clickhouse-user",
            from.user(),
            "--clickhouse-password-file",
            password.toString()));
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        new CommandLine(new ReportCommand(new NamedServers()))
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err))
            .execute(all.toArray(String[]::new));
    return new Run(code, out.toString(), err.toString());
  }

  /** The page of an experiment, made once. */
  private static Path page(long id) throws IOException {
    if (!PAGES.containsKey(id)) {
      Path file = folder.resolve("report-" + id + ".html");
      Run run =
          report(
              id == TEN_VARIANTS ? large : warehouse, Long.toString(id), "--out", file.toString());
      assertThat(run.err()).isEmpty();
      assertThat(run.exitCode()).isZero();
      assertThat(run.out()).isEqualToIgnoringNewLines(file.toString());
      PAGES.put(id, file);
    }
    return PAGES.get(id);
  }

  private static void show(long id, int width) throws IOException {
    Path file = page(id);
    if (browser == null) {
      assertThat(System.getenv("CI"))
          .as("apt-get install chromium: in CI the report has to be seen")
          .isNull();
      Assumptions.abort("no Chromium here: apt-get install chromium, and the report is looked at");
    }
    browser.open(file, width);
  }

  @ParameterizedTest
  @ValueSource(longs = {CHECKOUT, TEN_VARIANTS, 3, 4, 5, 6, HOSTILE})
  void phoneShowsThePageWithoutSidewaysScrollingOrRequests(long id) throws IOException {
    for (int width : new int[] {PHONE, DESKTOP}) {
      show(id, width);
      assertThat(browser.evaluate("document.documentElement.scrollWidth").asInt())
          .as("width of the page at %d px; what is wider: %s", width, tooWide())
          .isLessThanOrEqualTo(width);
      assertThat(browser.complaints()).isEmpty();
      assertThat(browser.requests()).containsExactly(page(id).toUri().toString());
      Files.write(folder.resolve("report-" + id + "-" + width + ".png"), browser.screenshot());
    }
  }

  private static JsonNode tooWide() {
    return browser.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120))");
  }

  @Test
  void tableShowsClickHousesFigures() throws IOException {
    show(CHECKOUT, PHONE);
    List<String> figures =
        List.of(
            "n",
            "mean",
            "effect",
            "effect_low",
            "effect_high",
            "always_valid_low",
            "always_valid_high",
            "lift",
            "lift_low",
            "lift_high",
            "always_valid_lift_low",
            "always_valid_lift_high",
            "p",
            "always_valid_p");
    List<String> rows =
        warehouse
            .query(
                "SELECT metric, variant_id, verdict, "
                    + String.join(", ", figures)
                    + " FROM experiment_results WHERE experiment_id = 1 AND NOT is_control"
                    + " ORDER BY as_of_day DESC LIMIT 1 BY metric, variant_id")
            .lines()
            .toList();
    assertThat(rows).hasSize(6);
    for (String row : rows) {
      String[] values = row.split("\t", -1);
      String variantRow =
          ".results[data-metric='%s'] tr[data-variant='%s']".formatted(values[0], values[1]);
      for (int i = 0; i < figures.size(); i++) {
        JsonNode data =
            browser.evaluate(
                "(e => [e.value, e.innerText, e.checkVisibility()])(document.querySelector(\"%s data[data-figure='%s']\"))"
                    .formatted(variantRow, figures.get(i)));
        double expected = Double.parseDouble(values[3 + i]);
        assertThat(Double.parseDouble(data.get(0).asText()))
            .as("%s of %s", figures.get(i), variantRow)
            .isEqualTo(expected);
        assertThat(data.get(2).asBoolean()).isTrue();
        if (!figures.get(i).endsWith("p")) {
          assertRounded(data.get(1).asText(), expected);
        }
      }
      assertThat(
              browser
                  .evaluate(
                      "document.querySelector(\"%s\").closest('section').innerText"
                          .formatted(variantRow))
                  .asText())
          .contains(values[2]);
    }
    assertThat(browser.evaluate("document.querySelector('#basis').innerText").asText())
        .contains("2026-03-29 10:11:12 UTC (LSN 600/2B)", "Europe/Berlin", "alpha = 0.05");
    assertThat(browser.evaluate("document.querySelector('#verdict').innerText").asText())
        .contains("Read with care", "days are not closed");
  }

  /** The shown number is the figure, rounded at its last digit. */
  private static void assertRounded(String shown, double figure) {
    String digits = shown.replaceAll("[^0-9.−]", "").replace('−', '-');
    double unit = shown.contains("%") || shown.contains("pp") ? 100 : 1;
    int decimals = digits.contains(".") ? digits.length() - digits.indexOf('.') - 1 : 0;
    assertThat(Double.parseDouble(digits))
        .as(shown)
        .isCloseTo(figure * unit, within(0.5000001 * Math.pow(10, -decimals)));
    assertThat(shown.contains("−")).as(shown).isEqualTo(Double.parseDouble(digits) < 0);
  }

  @ParameterizedTest
  @ValueSource(longs = {CHECKOUT, TEN_VARIANTS, 3})
  void everyFigureOfEveryDayIsDrawn(long id) throws IOException {
    show(id, PHONE);
    ClickHouseEndpoint from = id == TEN_VARIANTS ? large : warehouse;
    String of = " WHERE experiment_id = " + id;
    assertThat(marks("lift"))
        .isEqualTo(from.count("SELECT countIf(lift IS NOT NULL) FROM experiment_results" + of));
    assertThat(marks("mean"))
        .isEqualTo(
            id == 3
                ? from.count("SELECT countIf(mean IS NOT NULL) FROM experiment_cumulative" + of)
                : 0);
    assertThat(marks("users"))
        .isEqualTo(from.count("SELECT uniqExact(variant_id, day) FROM experiment_daily" + of));
    assertThat(marks("srm"))
        .isEqualTo(from.count("SELECT count() FROM experiment_health_daily FINAL" + of));
    assertThat(marks("findings"))
        .isEqualTo(
            from.count(
                "SELECT uniqExact(code, toDate(observed_at, 'Europe/Berlin')) FROM data_inconsistencies FINAL"
                    + of));
    assertThat(
            browser
                .evaluate(
                    "[...document.querySelectorAll('.plot[data-plot=lift] svg')].every(s => s.querySelector('.always').getBBox().height > s.querySelector('.fixed').getBBox().height)")
                .asBoolean())
        .as("the always valid interval is drawn around the one for one look")
        .isTrue();
  }

  private static long marks(String plot) {
    return browser
        .evaluate(
            "[...document.querySelectorAll('.plot[data-plot=%s] .mark')].filter(m => { const b = m.getBBox(); return isFinite(b.x) && isFinite(b.y) && b.width > 0; }).length"
                .formatted(plot))
        .asLong();
  }

  @Test
  void hostileNameIsShownAndNotExecuted() throws IOException {
    show(HOSTILE, PHONE);
    assertThat(browser.evaluate("document.querySelector('h1').innerText").asText())
        .isEqualTo(Scenario.HOSTILE);
    assertThat(browser.evaluate("document.querySelectorAll('img, b').length").asInt()).isZero();
    assertThat(browser.evaluate("document.querySelectorAll('script').length").asInt()).isEqualTo(3);
    assertThat(browser.evaluate("document.querySelector('h2').innerText").asText())
        .startsWith(Scenario.HOSTILE);
    assertThat(browser.evaluate("document.querySelector('#lift-0-title').innerText").asText())
        .isEqualTo(Scenario.HOSTILE);
    assertThat(browser.evaluate("document.querySelector('#open-findings').innerText").asText())
        .contains(Scenario.HOSTILE, "<b>&amp;")
        .doesNotContain("private detail");
    assertThat(browser.evaluate("document.querySelector('#basis').innerText").asText())
        .as("a zone that is none counts as none given")
        .contains("UTC (unless the job sets another statistics.zone)");
  }

  @Test
  void printedPageTruncatesNoPlot() throws IOException {
    show(CHECKOUT, DESKTOP);
    List<String> pages = new ArrayList<>();
    byte[] printed = browser.print();
    Files.write(folder.resolve("report-1.pdf"), printed);
    try (PDDocument document = Loader.loadPDF(printed)) {
      assertThat(document.getPage(0).getMediaBox().getWidth()).as("A4").isCloseTo(595f, within(2f));
      PDFTextStripper stripper = new PDFTextStripper();
      for (int page = 1; page <= document.getNumberOfPages(); page++) {
        stripper.setStartPage(page);
        stripper.setEndPage(page);
        pages.add(stripper.getText(document));
      }
    }
    assertThat(pages.get(0)).contains("New checkout", "Read with care", "alpha = 0.05");
    // Each plot has its axis' title at the top, the title of the days at the bottom, then its
    // caption.
    int plots = browser.evaluate("document.querySelectorAll('.plot').length").asInt();
    int above = 0;
    for (String page : pages) {
      int onPage =
          occurrences(page, "lift over control, %|users per day|log scale|Findings by the day");
      assertThat(occurrences(page, "day, Europe/Berlin")).as(page).isEqualTo(onPage);
      assertThat(occurrences(page, "1 Mar 2026 to")).as(page).isEqualTo(onPage);
      above += onPage;
    }
    assertThat(above).isEqualTo(plots);
  }

  private static int occurrences(String text, String pattern) {
    return (int) java.util.regex.Pattern.compile(pattern).matcher(text).results().count();
  }

  @Test
  void missingFiguresAreShownAsMissing() throws IOException {
    show(3, PHONE);
    assertThat(text()).contains("no variant is the control", "There is no effect and no lift");
    show(4, PHONE);
    assertThat(text()).contains("nothing to compare with it").doesNotContain("NaN", "null");
    show(5, PHONE);
    assertThat(text()).contains("No figures yet", "None was ever found");
    show(6, PHONE);
    assertThat(text()).contains("no interval can be computed").doesNotContain("NaN", "null");
  }

  private static String text() {
    return browser.evaluate("document.body.innerText").asText();
  }

  @Test
  void unknownExperimentIsAnsweredWithSimilarKeys() throws IOException {
    Path file = folder.resolve("none.html");
    Run run = report(warehouse, "chekout", "--out", file.toString());

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.err()).contains("chekout", "Near ones: checkout (id 1)");
    assertThat(file).doesNotExist();
    assertThat(report(warehouse, "one'); DROP TABLE experiments --\t\\").exitCode()).isEqualTo(1);
    assertThat(report(warehouse, "checkout", "--out", file.toString()).exitCode()).isZero();
  }

  @Test
  void failureToReadOrWriteNamesPlaceAndRemedy() throws IOException {
    ClickHouseEndpoint other =
        new ClickHouseEndpoint(warehouse.url(), "no_such", warehouse.user(), warehouse.password());
    assertThat(report(other, "checkout"))
        .matches(run -> run.exitCode() == 2 && run.err().contains("--clickhouse-database"));
    ClickHouseEndpoint stranger =
        new ClickHouseEndpoint(warehouse.url(), warehouse.database(), warehouse.user(), "not-it");
    assertThat(report(stranger, "checkout"))
        .matches(
            run ->
                run.exitCode() == 2
                    && run.err().contains("--clickhouse-password-file")
                    && !run.err().contains("not-it"));
    assertThat(report(warehouse, "checkout", "--out", folder.toString()))
        .matches(run -> run.exitCode() == 2 && run.err().contains("--out"));
  }

  @Test
  void csvFilesHoldTheSameFiguresAndNoFormula() throws IOException {
    Path csv = folder.resolve("csv");
    Run run =
        report(
            warehouse,
            Scenario.HOSTILE,
            "--out",
            folder.resolve("csv.html").toString(),
            "--csv",
            csv.toString());

    assertThat(run.exitCode()).as(run.err()).isZero();
    assertThat(run.out().lines()).hasSize(8);
    List<String> results = Files.readAllLines(csv.resolve("results.csv"));
    assertThat(results.get(0)).startsWith("metric,kind,variant_id,variant_key,");
    assertThat(results).hasSize(1 + 2 * 12);
    assertThat(results.get(1)).contains("'=1+1");
    String lift =
        warehouse.query(
            "SELECT toDecimalString(lift, 6) FROM experiment_results WHERE experiment_id = 7 AND variant_id = 701 ORDER BY as_of_day DESC LIMIT 1");
    assertThat(results.get(24)).contains(lift.substring(0, 7));
    assertThat(Files.readString(csv.resolve("open_findings.csv"))).doesNotContain("private detail");
  }
}
