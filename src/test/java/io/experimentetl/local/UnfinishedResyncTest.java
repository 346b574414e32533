package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnfinishedResyncTest {
  @TempDir private Path directory;

  @Test
  void aJobIsNotSubmittedFromTheStateOfAnUnfinishedResync() throws Exception {
    UnfinishedResync resync = new UnfinishedResync(directory);
    assertThatCode(resync::requireNone).doesNotThrowAnyException();
    Files.createFile(resync.jobConfig());
    assertThatThrownBy(resync::requireNone).hasMessageContaining("run ./etl resync again");
    resync.finished();
    assertThatCode(resync::requireNone).doesNotThrowAnyException();
  }
}
