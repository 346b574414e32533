package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class SqlScriptTest {
  @Test
  void statementsEndAtSemicolonsAndHaveTheirLine() {
    assertThat(
            SqlScript.statements("-- a comment; not an end\nSELECT 1;\n\n/* ; */\nSELECT 2\n;\n;"))
        .extracting(SqlScript.Statement::line)
        .containsExactly(2, 5);
  }

  @Test
  void semicolonInTextDoesNotEndAStatement() {
    assertThat(texts("SELECT 'a;''b', \"c;d\", `e;f`; SELECT 'x\\';y'"))
        .containsExactly("SELECT 'a;''b', \"c;d\", `e;f`", "SELECT 'x\\';y'");
  }

  @Test
  void dollarQuotedBodyIsPartOfItsStatement() {
    String function =
        "CREATE FUNCTION f() RETURNS void AS $body$ BEGIN; x := $1; END; $body$ LANGUAGE plpgsql";
    assertThat(texts(function + "; DO $$ BEGIN; END $$;"))
        .containsExactly(function, "DO $$ BEGIN; END $$");
  }

  @Test
  void scriptOfCommentsHasNoStatement() {
    assertThat(texts("-- nothing\n/* here */\n")).isEmpty();
  }

  private static List<String> texts(String script) {
    return SqlScript.statements(script).stream().map(SqlScript.Statement::text).toList();
  }
}
