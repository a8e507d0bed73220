"""Dashboard: the Streamlit application for staff, on top of `memory_core`."""
