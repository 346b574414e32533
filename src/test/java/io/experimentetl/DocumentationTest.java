package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.JointCommit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The documentation's links and anchors resolve, and the README stays short. */
class DocumentationTest {
  private static final int README_MAX_BYTES = 9 * 1024;
  private static final Pattern LINK = Pattern.compile("(?<!\\\\)\\[[^\\]]*]\\(([^)\\s]+)[^)]*\\)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6}\\s+(.+?)\\s*#*$");
  private static final Pattern CODE_BLOCK = Pattern.compile("(?ms)^```.*?^```\\s*?$");
  private static final Pattern CODE_SPAN = Pattern.compile("`[^`\n]*`");

  @Test
  void readmeIsShort() throws IOException {
    assertThat(Files.size(Path.of("README.md"))).isLessThanOrEqualTo(README_MAX_BYTES);
  }

  @Test
  void relativeLinksAndAnchorsResolve() throws IOException {
    List<String> broken = new ArrayList<>();
    for (Path page : pages()) {
      String text = withoutCode(Files.readString(page));
      Matcher link = LINK.matcher(text);
      while (link.find()) {
        String target = link.group(1);
        if (!target.matches("[a-z]+:.*") && !resolves(page, target)) {
          broken.add(page + " -> " + target);
        }
      }
    }
    assertThat(broken).isEmpty();
  }

  @Test
  void everyPageIsReachableFromTheIndex() throws IOException {
    Set<String> linked = new TreeSet<>();
    Matcher link = LINK.matcher(Files.readString(Path.of("docs/README.md")));
    while (link.find()) {
      linked.add(Path.of("docs").resolve(link.group(1)).normalize().toString());
    }
    List<String> pages = new ArrayList<>();
    for (Path page : pages()) {
      if (page.startsWith("docs") && !page.endsWith("README.md")) {
        pages.add(page.toString());
      }
    }
    assertThat(linked).containsAll(pages);
  }

  /** A newcomer finds an operator of the web UI in the graph. */
  @Test
  void graphNamesEveryOperator() throws IOException {
    assertThat(Files.readString(Path.of("README.md")))
        .contains(
            Uids.ROUTE,
            Uids.ATTRIBUTE,
            Uids.CHANGED_ROWS,
            Uids.TRUNCATED_USERS,
            Uids.DAILY_STATS,
            Uids.EXPERIMENT_HEALTH,
            Uids.OUTBOX_RELAY,
            Uids.CHECKED_EVENTS,
            Uids.OUTBOX,
            Uids.FINDINGS_TOPIC,
            " " + JointCommit.NAME + "\n");
  }

  @Test
  void everyPackageStatesItsPurpose() throws IOException {
    List<Path> silent = new ArrayList<>();
    try (Stream<Path> files = Files.walk(Path.of("src/main/java/io/experimentetl"))) {
      files
          .filter(file -> file.toString().endsWith(".java"))
          .map(Path::getParent)
          .distinct()
          .filter(directory -> !Files.exists(directory.resolve("package-info.java")))
          .forEach(silent::add);
    }
    assertThat(silent).isEmpty();
  }

  private static List<Path> pages() throws IOException {
    List<Path> pages =
        new ArrayList<>(
            List.of(Path.of("README.md"), Path.of("CONTRIBUTING.md"), Path.of("CHANGELOG.md")));
    try (Stream<Path> found = Files.list(Path.of("docs"))) {
      found.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
    }
    return pages;
  }

  private static boolean resolves(Path page, String target) throws IOException {
    String[] parts = target.split("#", 2);
    Path directory = page.getParent() == null ? Path.of("") : page.getParent();
    Path file = parts[0].isEmpty() ? page : directory.resolve(parts[0]).normalize();
    return Files.exists(file) && (parts.length == 1 || anchors(file).contains(parts[1]));
  }

  /** The anchors that GitHub gives a page's headings; the second of two equal ones gets -1. */
  private static Set<String> anchors(Path page) throws IOException {
    Set<String> anchors = new TreeSet<>();
    Map<String, Integer> seen = new HashMap<>();
    Matcher heading = HEADING.matcher(CODE_BLOCK.matcher(Files.readString(page)).replaceAll("\n"));
    while (heading.find()) {
      String anchor =
          heading
              .group(1)
              .replaceAll("\\[([^\\]]*)]\\([^)]*\\)", "$1")
              .toLowerCase(Locale.ROOT)
              .replaceAll("[^\\p{L}\\p{N} _-]", "")
              .replace(' ', '-');
      int earlier = seen.merge(anchor, 1, Integer::sum) - 1;
      anchors.add(earlier == 0 ? anchor : anchor + "-" + earlier);
    }
    return anchors;
  }

  private static String withoutCode(String text) {
    return CODE_SPAN.matcher(CODE_BLOCK.matcher(text).replaceAll("\n")).replaceAll("");
  }
}
