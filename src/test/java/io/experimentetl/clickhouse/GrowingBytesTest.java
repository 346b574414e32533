package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class GrowingBytesTest {

  @Test
  void bufferOfAHugeRowIsGivenBack() {
    GrowingBytes.Held held = new GrowingBytes.Held();
    GrowingBytes block = new GrowingBytes(0, held);
    block.putZeros(100);
    block.freeAbove(100);
    assertThat(block.size()).as("an ordinary buffer is kept").isEqualTo(100);
    assertThat(held.bytes()).isEqualTo(100);

    block.putByte(0);
    block.freeAbove(100);
    assertThat(block.size()).isZero();
    assertThat(held.bytes()).isZero();
    block.putByte(7);
    assertThat(block.toByteArray()).containsExactly(7);
  }
}
