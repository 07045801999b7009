"""The paper's tables: experiments, reproduction and reports."""
