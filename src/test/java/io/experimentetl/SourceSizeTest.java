package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.LineMap;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/**
 * No file of ours is longer than 500 lines and no method longer than 60, unless the comment of the
 * class or method gives the reason after the words {@value #REASON}.
 */
class SourceSizeTest {
  private static final int MAX_FILE_LINES = 500;
  private static final int MAX_METHOD_LINES = 60;
  private static final String REASON = "Long because";

  @Test
  void filesAndMethodsAreShortOrGiveAReason() throws IOException {
    List<Path> files = new ArrayList<>();
    for (String root :
        List.of("src/main/java/io/experimentetl", "src/test/java/io/experimentetl")) {
      try (Stream<Path> found = Files.walk(Path.of(root))) {
        found.filter(file -> file.toString().endsWith(".java")).sorted().forEach(files::add);
      }
    }
    assertThat(tooLong(files)).isEmpty();
  }

  private static List<String> tooLong(List<Path> files) throws IOException {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<String> tooLong = new ArrayList<>();
    try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
      JavacTask task =
          (JavacTask)
              compiler.getTask(
                  null,
                  manager,
                  null,
                  List.of("-proc:none"),
                  null,
                  manager.getJavaFileObjectsFromPaths(files));
      SourcePositions positions = Trees.instance(task).getSourcePositions();
      for (CompilationUnitTree unit : task.parse()) {
        unit.accept(new Sizes(unit, positions, tooLong), null);
      }
    }
    return tooLong;
  }

  /** Collects the classes and methods of one file that are too long and give no reason. */
  private static final class Sizes extends TreeScanner<Void, Void> {
    private final CompilationUnitTree unit;
    private final SourcePositions positions;
    private final List<String> tooLong;
    private final Path file;
    private final List<String> lines;
    private int depth;

    Sizes(CompilationUnitTree unit, SourcePositions positions, List<String> tooLong) {
      this.unit = unit;
      this.positions = positions;
      this.tooLong = tooLong;
      this.file = Path.of(unit.getSourceFile().toUri());
      try {
        this.lines = Files.readAllLines(file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public Void visitClass(ClassTree tree, Void unused) {
      if (depth == 0 && lines.size() > MAX_FILE_LINES && !givesReason(tree)) {
        add(tree, lines.size(), MAX_FILE_LINES);
      }
      depth++;
      super.visitClass(tree, null);
      depth--;
      return null;
    }

    @Override
    public Void visitMethod(MethodTree tree, Void unused) {
      int length = line(positions.getEndPosition(unit, tree)) - firstLine(tree) + 1;
      if (length > MAX_METHOD_LINES && !givesReason(tree)) {
        add(tree, length, MAX_METHOD_LINES);
      }
      return super.visitMethod(tree, null);
    }

    private void add(Tree tree, int length, int limit) {
      tooLong.add(
          "%s:%d has %d lines, the limit is %d: split it, or give the reason in its comment (\"%s …\")"
              .formatted(
                  Path.of("").toAbsolutePath().relativize(file.toAbsolutePath()),
                  firstLine(tree),
                  length,
                  limit,
                  REASON));
    }

    /** Whether the comment directly above the declaration has the reason. */
    private boolean givesReason(Tree tree) {
      StringBuilder comment = new StringBuilder();
      for (int above = firstLine(tree) - 2; above >= 0 && isComment(lines.get(above)); above--) {
        comment.insert(0, lines.get(above).strip().replaceFirst("^(/\\*\\*?|\\*/?|//)", "") + " ");
      }
      return comment.toString().replaceAll("\\s+", " ").contains(REASON);
    }

    private static boolean isComment(String line) {
      String text = line.strip();
      return text.startsWith("/*") || text.startsWith("*") || text.startsWith("//");
    }

    private int firstLine(Tree tree) {
      return line(positions.getStartPosition(unit, tree));
    }

    private int line(long position) {
      LineMap map = unit.getLineMap();
      return (int) map.getLineNumber(position);
    }
  }
}
