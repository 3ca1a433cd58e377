"""What moves a score (network, method, training, patient), and how many trainings tell two rows apart."""
